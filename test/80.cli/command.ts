// Runs the command line as processes, with their streams and exit codes.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Ready } from '../../src/index.ts';

const root = new URL('../../', import.meta.url).pathname;
export const main: string = join(root, 'src/cli/main.ts');
export const example: string = join(root, 'examples/movielens');
export const tablesFile: string = join(example, 'tables.safetensors');
export const requestsFile: string = join(example, 'requests.safetensors');
export const denseFile: string = join(example, 'dense.onnx');

// All commands compile the same files, so they share a cache.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'flexemr-compile-cache');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command until it ends. */
export function flexemr(...args: string[]): Ended {
  return run(main, ...args);
}

export function run(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: tmpdir() });
  return { code: status, stdout, stderr };
}

/** Runs a command that must succeed. @returns its summary */
export function done(...args: string[]): Record<string, unknown> {
  const { code, stdout, stderr } = flexemr(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Runs a command that is refused. Expects one line with the reason on stderr, and nothing on stdout. */
export function refused(args: readonly string[], code: number, line: RegExp): void {
  const ended = flexemr(...args);
  expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^flexemr: [^\n]+\n$/) });
  expect(ended.stderr).toMatch(line);
  expect(ended.stderr).not.toMatch(/TypeError|undefined|\n {4}at /);
}

/** A running process, which is killed at the end of its test. */
export class Running implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  /** @param env variables beside those of this process */
  constructor(args: readonly string[], program: string = process.execPath, env: NodeJS.ProcessEnv = {}) {
    const options = { cwd: tmpdir(), env: { ...process.env, ...env } };
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code]) => {
      return { code, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits for the first line that the process prints. Fails if that takes longer than `ms`. */
  async line(ms?: number): Promise<string> {
    const printed = (): boolean => {
      if (this.child.exitCode !== null) expect.fail(`the process ended: ${this.stderr}`);
      return this.stdout.includes('\n');
    };
    await until(`a line of ${this.child.spawnargs.join(' ')}`, printed, ms);
    return this.stdout.split('\n')[0];
  }

  /** The lines of its log. */
  get log(): Record<string, unknown>[] {
    return this.stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** Starts `flexemr serve`, and waits until it is ready. */
export async function served(...args: string[]): Promise<{ readonly node: Running; readonly ready: Ready }> {
  const node = new Running([main, 'serve', '--json', ...args]);
  try {
    return { node, ready: JSON.parse(await node.line()) };
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether a process runs. A zombie does not. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until `holds()` returns true. Fails if that takes longer than `ms`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) expect.fail(`waited ${ms} ms for ${what}`);
    await sleep(10);
  }
}
