import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { drainMsMax } from '../limits.ts';

/** What is kept of its errors, to say why it did not start. */
const stderrCharsMax = 4_096;

/** What `flexemr serve` says, on its output and to the process that started it, once it serves. */
export interface Ready {
  readonly ready: true;
  readonly node: string;
  readonly url: string;
  /** One a worker. */
  readonly ports: readonly number[];
  readonly tables: number;
  /** Bytes of rows, with their indexes. */
  readonly bytes: number;
}

/** A `flexemr serve` process: it ends when this process does, however that ends. */
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
    // Whoever waits for it hears of an error.
    this.#ended.catch(() => {});
  }

  /** It has ended, and all it said is here. 'close' would be both, but does not come after a disconnect. */
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

  /** Once it serves. @throws NODE_FAILED, with what it said last */
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

  /** Lets it answer what it holds, and end; kills it where it does not. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), drainMsMax + 1_000);
    await this.#ended.catch(() => {});
    clearTimeout(timer);
  }
}
