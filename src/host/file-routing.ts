import { readFile, stat } from 'node:fs/promises';
import { check, filePath } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { routingFilePollMs } from '../limits.ts';
import { routingJson } from '../plan/routing-json.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { writeWhole } from '../store/whole-file.ts';
import { type Polled, polledRouting } from './polled-routing.ts';

/**
 * Routing in a JSON file. Watching looks at the file's size and times: notifications of the file system get lost when
 * a file is replaced, on network drives, and in containers. Reading throws INVALID_FILE where there is no such file.
 * @throws INVALID_OPTION
 */
export function fileRouting(path: string): RoutingSource {
  check(filePath, path, 'path');
  return polledRouting(path, routingFilePollMs, () => new FileText(path));
}

class FileText implements Polled {
  readonly #path: string;
  /** What the file looked like when it was last read, and when it was last looked at. */
  #readAs: string | undefined;
  #seenAs: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<string> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (cause) {
      throw this.#unreadable(cause as Error);
    }
  }

  /** A file that looks different is read as soon as it looks the same twice: someone may be writing it. */
  async poll(): Promise<string | undefined> {
    const looks = await looksOf(this.#path).catch((cause: Error) => {
      throw this.#unreadable(cause);
    });
    const settled = looks === this.#seenAs;
    this.#seenAs = looks;
    if (!settled || looks === this.#readAs) return undefined;
    const text = await this.read();
    this.#readAs = looks;
    return text;
  }

  #unreadable(cause: Error): FlexemrError {
    const message = `cannot read ${this.#path}: ${cause.message}. Check the path and its permissions.`;
    return new FlexemrError('INVALID_FILE', message, { field: 'path', value: this.#path, cause });
  }
}

async function looksOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

/** Writes a routing file, or replaces it: who watches it sees the old one or the new one. @throws INVALID_FILE, INVALID_ROUTING, INVALID_OPTION */
export async function writeRouting(path: string, routing: RoutingTable): Promise<void> {
  check(filePath, path, 'path');
  const text = routingJson(routing);
  await writeWhole(path, (file) => file.writeFile(text));
}
