import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { drainMsMax } from '../limits.ts';

/** Characters of its error output that are kept, to report why it did not start. */
const stderrCharsMax = 4_096;

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
  readonly #child: ChildProcess;
  readonly #node: string;
  readonly #ended: Promise<void>;
  #stderr = '';

  /** @param options of `flexemr serve` */
  constructor(node: string, options: readonly string[]) {
    this.#node = node;
    this.#child = fork(fileURLToPath(packageFile('../cli/main', import.meta.url)), ['serve', ...options], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
    });
    this.#ended = this.#end();
    // Callers that await `#ended` get the error. This prevents an unhandled rejection if there is none.
    this.#ended.catch(() => {});
  }

  /**
   * Waits until the process has ended and all of its error output has been read. The event 'close' would mean both, but
   * it is not emitted after a disconnect.
   */
  async #end(): Promise<void> {
    const exit = once(this.#child, 'exit');
    const { stderr } = this.#child;
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-stderrCharsMax);
    });
    await Promise.all([exit, stderr && once(stderr, 'close')]);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Waits until the node serves. @throws NODE_FAILED, with its last line of error output */
  async ready(): Promise<Ready> {
    const said = await Promise.race([once(this.#child, 'message'), this.#ended.then(() => undefined)]).catch(
      (cause: Error) => {
        throw this.#failed(cause.message, cause);
      },
    );
    if (said !== undefined) return said[0] as Ready;
    const { exitCode, signalCode } = this.#child;
    throw this.#failed(this.#lastLine ?? `it ended with ${signalCode ?? `code ${exitCode}`}`);
  }

  get #lastLine(): string | undefined {
    return this.#stderr
      .split('\n')
      .filter((line) => line !== '')
      .at(-1);
  }

  #failed(why: string, cause?: Error): FlexemrError {
    const message = `memory node ${this.#node} did not start: ${why.replace(/^flexemr: /, '')}`;
    return new FlexemrError('NODE_FAILED', message, { node: this.#node, cause });
  }

  /** Stops the node after it has answered the subrequests that it holds. Kills it if it does not end. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), drainMsMax + 1_000);
    await this.#ended.catch(() => {});
    clearTimeout(timer);
  }
}
