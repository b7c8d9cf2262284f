import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { ForkedProgram } from './forked-program.ts';

/** The message of `flexemr serve` when it is ready, on its output and to the process that started it. */
export interface Ready {
  readonly ready: true;
  readonly node: string;
  readonly url: string;
  /** One port per worker. */
  readonly ports: readonly number[];
  readonly tables: number;
  /** Bytes of rows and their indexes. */
  readonly bytes: number;
}

/** A `flexemr serve` process. It ends when this process ends, even if this process crashes. */
export class NodeProcess {
  readonly #program: ForkedProgram;
  readonly #node: string;

  /** @param options of `flexemr serve` */
  constructor(node: string, options: readonly string[]) {
    this.#node = node;
    this.#program = new ForkedProgram(packageFile('../cli/main', import.meta.url), ['serve', ...options]);
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  /** Waits until the node serves. @throws NODE_FAILED, with its last line of error output */
  async ready(): Promise<Ready> {
    try {
      return (await this.#program.said()) as Ready;
    } catch (error) {
      const cause = error as Error;
      const message = `memory node ${this.#node} did not start: ${cause.message.replace(/^flexemr: /, '')}`;
      throw new FlexemrError('NODE_FAILED', message, { node: this.#node, cause });
    }
  }

  /** Stops the node after it has answered the subrequests that it holds. Kills it if it does not end. */
  async stop(): Promise<void> {
    await this.#program.stop();
  }
}
