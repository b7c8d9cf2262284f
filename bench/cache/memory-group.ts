// A hard limit for the memory of a process: a control group of Linux, version 1 or 2. A process that needs more is killed.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../usage.ts';

const root = '/sys/fs/cgroup';

export class MemoryGroup implements Disposable {
  readonly #folder: string;
  readonly #isSecond: boolean;

  /** @throws UsageError if this user may not make control groups */
  constructor(bytes: number) {
    this.#isSecond = existsSync(join(root, 'cgroup.controllers'));
    this.#folder = join(root, this.#isSecond ? '' : 'memory', `flexemr-bench-${process.pid}`);
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(
        join(this.#folder, this.#isSecond ? 'memory.max' : 'memory.limit_in_bytes'),
        String(bytes),
      );
    } catch (cause) {
      throw new UsageError(
        `a limit for memory needs control groups that this user may make: ${String(cause)}`,
      );
    }
  }

  /** A command that runs another one in this group. */
  command(program: string, args: readonly string[]): [string, string[]] {
    const script = `echo $$ > ${join(this.#folder, 'cgroup.procs')} && exec "$0" "$@"`;
    return ['/bin/sh', ['-c', script, program, ...args]];
  }

  /** The most bytes that it had. */
  get most(): number {
    const file = this.#isSecond ? 'memory.peak' : 'memory.max_usage_in_bytes';
    return Number(readFileSync(join(this.#folder, file), 'utf8'));
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#folder);
  }
}
