import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** A process that answers each line of its standard input with a line. It may print lines before that. */
export class LineProgram {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits for the next line. @throws Error if the process ends first */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.child.spawnargs.join(' ')} ended early`);
    return value;
  }

  /** Sends a line and waits for its answer. */
  ask(text: string): Promise<string> {
    this.child.stdin.write(`${text}\n`);
    return this.line();
  }
}
