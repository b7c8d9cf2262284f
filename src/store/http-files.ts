import { FlexemrError } from '../errors.ts';
import { byProxy } from '../proxy.ts';
import type { ByteSource, Files } from './byte-source.ts';
import { HttpFile } from './http-file.ts';
import { HttpRequests } from './http-requests.ts';
import { insist, type LastFault } from './insist.ts';
import { RangeFault } from './range-fault.ts';
import { checkWholeReply } from './range-reply.ts';
import { shownUrl, tableUrl } from './table-url.ts';

/** Files at an HTTP server. */
export class HttpFiles implements Files {
  readonly #path: string;
  readonly #requests: HttpRequests;

  /** @param path the URL of the first file @throws INVALID_OPTION */
  constructor(path: string, token: string | undefined) {
    this.#path = path;
    this.#requests = new HttpRequests(tableUrl(path), token);
  }

  isIndex(path: string): boolean {
    return tableUrl(path).pathname.endsWith('.json');
  }

  /** The query stays: a signature may be for a whole folder. */
  beside(path: string, file: string): string {
    const { search } = tableUrl(path);
    const url = new URL(file.split('/').map(encodeURIComponent).join('/'), tableUrl(path));
    url.search = search;
    return url.href;
  }

  async open(path: string): Promise<ByteSource> {
    return await HttpFile.open(tableUrl(path), this.#requests);
  }

  /** One request without a range, because some servers compose small files anew for each request. */
  async text(path: string, bytesMax: number): Promise<string> {
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    const receiver = {
      head: checkWholeReply,
      bytes: (chunk: Uint8Array): void => {
        bytes += chunk.length;
        if (bytes > bytesMax)
          throw new RangeFault(
            'INVALID_FILE',
            `the file has more than ${bytesMax} bytes, the limit of an index`,
            'Give the URL of an index, or of a .safetensors file',
          );
        // The memory of a chunk is used again.
        chunks.push(chunk.slice());
      },
    };
    const signal = this.#requests.signal();
    const attempt = async (): Promise<void> => {
      [chunks, bytes] = [[], 0];
      await this.#requests.get(tableUrl(path), {}, receiver, signal);
    };
    const failed = ({ fault, attempts }: LastFault): FlexemrError => {
      const shown = shownUrl(path);
      const times = attempts > 1 ? ` (${attempts} attempts)` : '';
      const message = `cannot read ${shown}${byProxy(path)}: ${fault.message}${times}. ${fault.advice}.`;
      return new FlexemrError(fault.code ?? 'UNAVAILABLE', message, { field: 'path', value: shown });
    };
    await insist(attempt, () => 0, failed, signal);
    return await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text();
  }

  async close(): Promise<void> {
    const message = `${shownUrl(this.#path)} is closed. Open it again to read.`;
    await this.#requests.close(new FlexemrError('RELEASED', message));
  }
}
