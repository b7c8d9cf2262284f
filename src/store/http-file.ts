import { FlexemrError } from '../errors.ts';
import { byProxy } from '../proxy.ts';
import { tableRequestBytesMax, tableRequestsMax } from '../table-limits.ts';
import type { ByteSource, Reading } from './byte-source.ts';
import { fileKindBytes } from './file-kind.ts';
import { quote } from './header-json.ts';
import type { HttpRequests } from './http-requests.ts';
import { insist, type LastFault } from './insist.ts';
import { inLanes } from './lanes.ts';
import { passing, RangeFault } from './range-fault.ts';
import { checkRangeReply, type RemoteFile } from './range-reply.ts';
import { shownUrl } from './table-url.ts';

/** A file at an HTTP server, which is read by requests for ranges of it. */
export class HttpFile implements ByteSource {
  readonly path: string;
  readonly fd = undefined;
  readonly #url: URL;
  readonly #requests: HttpRequests;
  /** The URL that answered last. Servers redirect to URLs that expire: then the first URL is asked again. */
  #location: URL;
  #known: RemoteFile | undefined;
  /** The first bytes, from the request that opened the file. */
  #first: Uint8Array = new Uint8Array();

  private constructor(url: URL, requests: HttpRequests) {
    this.path = shownUrl(url.href);
    this.#url = url;
    this.#location = url;
    this.#requests = requests;
  }

  /** Reads the first bytes, to know the size and the version of the file. */
  static async open(url: URL, requests: HttpRequests): Promise<HttpFile> {
    const file = new HttpFile(url, requests);
    const first = new Uint8Array(fileKindBytes);
    await file.#readRange(0, first, {}, requests.signal());
    file.#first = first.subarray(0, file.size);
    return file;
  }

  get size(): number {
    return this.#known?.size ?? 0;
  }

  get version(): string | undefined {
    return this.#known?.version;
  }

  async read(position: number, target: Uint8Array, reading: Reading = {}): Promise<void> {
    const failed = new AbortController();
    const signal = this.#requests.signal(reading.signal, failed.signal);
    signal.throwIfAborted();
    if (position + target.length <= this.#first.length)
      return target.set(this.#first.subarray(position, position + target.length));
    const pieces = Math.ceil(target.length / tableRequestBytesMax);
    const lane = (piece: number): Promise<void> => {
      const begin = piece * tableRequestBytesMax;
      const part = target.subarray(begin, begin + tableRequestBytesMax);
      return this.#readRange(position + begin, part, reading, signal);
    };
    const lanes = Array.from({ length: Math.min(pieces, tableRequestsMax) }, () => lane);
    await inLanes(
      pieces,
      lanes,
      () => {},
      (error) => failed.abort(error),
    );
  }

  /** Reads a range by one request, and by others from where it broke. Stops at the end of the file. */
  async #readRange(
    position: number,
    target: Uint8Array,
    reading: Reading,
    signal: AbortSignal,
  ): Promise<void> {
    let done = 0;
    const wanted = (): number => Math.min(target.length, this.#known ? this.size - position : target.length);
    const bytes = (chunk: Uint8Array): void => {
      if (done + chunk.length > wanted())
        throw new RangeFault(
          'INVALID_FILE',
          'the server sends more bytes than were asked for',
          'Check the server',
        );
      target.set(chunk, done);
      done += chunk.length;
    };
    const attempt = async (): Promise<void> => {
      const range = { begin: position + done, end: position + target.length };
      await this.#get(range.begin, range.end, signal, {
        head: (head) => {
          const found = checkRangeReply(head, range, this.#known);
          this.#known ??= found;
        },
        bytes,
      });
      if (done < wanted()) throw passing(`the answer ended after ${done} of ${wanted()} bytes`);
    };
    const failed = (last: LastFault): FlexemrError =>
      this.#error(last, position + done, position + target.length, reading);
    await insist(attempt, () => done, failed, signal);
  }

  async #get(
    begin: number,
    end: number,
    signal: AbortSignal,
    receiver: Parameters<HttpRequests['get']>[2],
  ): Promise<void> {
    const from = this.#location;
    const headers = { range: `bytes=${begin}-${end - 1}`, ...this.#known?.conditions };
    try {
      this.#location = await this.#requests.get(from, headers, receiver, signal);
    } catch (error) {
      this.#location = this.#url;
      // What was redirected to may have expired.
      if (from !== this.#url && error instanceof RangeFault) throw passing(error.message, error.waitMs);
      throw error;
    }
  }

  #error({ fault, attempts }: LastFault, begin: number, end: number, { tensor }: Reading): FlexemrError {
    const what = tensor === undefined ? '' : ` of ${quote(tensor)}`;
    const times = attempts > 1 ? ` (${attempts} attempts)` : '';
    const where = `${this.path}${byProxy(this.#url.href)}`;
    const message = `cannot read bytes ${begin} to ${end}${what} from ${where}: ${fault.message}${times}. ${fault.advice}.`;
    const place = { field: tensor ?? 'path', position: begin, value: this.path };
    return new FlexemrError(fault.code ?? 'UNAVAILABLE', message, place);
  }

  /** Nothing is open between two requests. */
  async close(): Promise<void> {}
}
