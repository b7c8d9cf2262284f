import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { drainMsMax } from '../limits.ts';

/** Characters of its error output that are kept, to report why it has ended. */
const stderrCharsMax = 4_096;

/** A program of this package in a process of its own. It ends when this process ends, even if this process crashes. */
export class ForkedProgram {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stderr = '';

  /** @param file ends when it is disconnected */
  constructor(file: URL, args: readonly string[] = []) {
    this.#child = fork(fileURLToPath(file), args, {
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

  /** Says something, and waits for what the program says next. @throws as `said` */
  async ask(message: string): Promise<unknown> {
    const said = this.said();
    // If it has ended, `said` says so.
    this.#child.send(message, () => {});
    return await said;
  }

  /** Waits for what the program says next. @throws Error, with its last line of error output, if it ends before */
  async said(): Promise<unknown> {
    const over = new AbortController();
    const message = once(this.#child, 'message', { signal: over.signal });
    const said = await Promise.race([message, this.#ended.then(() => undefined)]);
    if (said !== undefined) return said[0];
    over.abort();
    const { exitCode, signalCode } = this.#child;
    throw new Error(this.#lastLine ?? `it ended with ${signalCode ?? `code ${exitCode}`}`);
  }

  get #lastLine(): string | undefined {
    return this.#stderr
      .split('\n')
      .filter((line) => line !== '')
      .at(-1);
  }

  /** Lets it end after what it does. Kills it if it does not end. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), drainMsMax + 1_000);
    await this.#ended.catch(() => {});
    clearTimeout(timer);
  }
}
