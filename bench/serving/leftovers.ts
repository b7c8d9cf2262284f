import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Removes child processes and large files when this process ends, also if a signal ends it. */
export class Leftovers {
  readonly #children: Set<ChildProcess> = new Set();
  readonly #directories: Set<string> = new Set();

  constructor() {
    process.once('exit', () => this.#remove());
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }

  child<Child extends ChildProcess>(child: Child): Child {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Makes a new empty directory. */
  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'flexemr-bench-'));
    this.#directories.add(path);
    return path;
  }

  /** Kills a child at once. Our children need no cleanup. */
  async end(child: ChildProcess): Promise<void> {
    if (!this.#children.has(child)) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  removeDirectory(path: string): void {
    rmSync(path, { recursive: true, force: true });
    this.#directories.delete(path);
  }

  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const path of this.#directories) rmSync(path, { recursive: true, force: true });
  }
}
