import { readFile, stat } from 'node:fs/promises';
import { check, filePath } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { routingFilePollMs } from '../limits.ts';
import { routingJson } from '../plan/routing-json.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { writeWhole } from '../store/whole-file.ts';
import { type Polled, polled, routingFormat } from './polled.ts';

/**
 * A routing source that reads a JSON file. Watching polls the file's size and times, because notifications of the file
 * system get lost when a file is replaced, on network drives, and in containers. `read` throws INVALID_FILE if the
 * system cannot read the file.
 * @throws INVALID_OPTION
 */
export function fileRouting(path: string): RoutingSource {
  check(filePath, path, 'path');
  return polled(path, routingFilePollMs, () => new FileText(path), routingFormat);
}

/** The text of a file. */
export class FileText implements Polled {
  readonly #path: string;
  /** The state of the file when `poll` last read it. */
  #readState: string | undefined;
  /** The state of the file at the last poll. */
  #seenState: string | undefined;

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

  /** Reads a changed file only after two polls have seen the same state, because it may still be being written. */
  async poll(): Promise<string | undefined> {
    const state = await stateOf(this.#path).catch((cause: Error) => {
      throw this.#unreadable(cause);
    });
    const settled = state === this.#seenState;
    this.#seenState = state;
    if (!settled || state === this.#readState) return undefined;
    const text = await this.read();
    this.#readState = state;
    return text;
  }

  #unreadable(cause: Error): FlexemrError {
    const message = `cannot read ${this.#path}: ${cause.message}. Check the path and its permissions.`;
    return new FlexemrError('INVALID_FILE', message, { field: 'path', value: this.#path, cause });
  }
}

async function stateOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

/**
 * Writes or replaces a routing file. Programs that watch it see either the old file or the complete new one.
 * @throws INVALID_FILE, INVALID_ROUTING, INVALID_OPTION
 */
export async function writeRouting(path: string, routing: RoutingTable): Promise<void> {
  check(filePath, path, 'path');
  const text = routingJson(routing);
  await writeWhole(path, (file) => file.writeFile(text));
}
