// Runs vitest in its own process, and reads its counts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root: string = join(import.meta.dirname, '../..');
export const vitest: string = join(root, 'node_modules/vitest/vitest.mjs');

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

export interface Ended {
  readonly output: string;
  readonly exitCode: number;
}

/** @param cwd the project, or a copy of it @param within a program that starts it, and its arguments */
export function run(
  args: string,
  env: Record<string, string>,
  cwd: string = root,
  within: readonly string[] = [],
): Promise<Ended> {
  const [program, ...rest] = [...within, process.execPath, vitest, 'run', ...args.split(' ')];
  const child = spawn(program, rest, {
    cwd,
    env: { ...process.env, ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return new Promise((resolve) => {
    child.on('close', (exitCode) => resolve({ output, exitCode: exitCode ?? 1 }));
  });
}

/** Reads the summary lines of vitest. An exit code without a counted failure is a failure too. */
export function countsOf({ output, exitCode }: Ended): Counts {
  const lines = output.split('\n').filter((text) => /^ *Tests /.test(text));
  const count = (what: string): number =>
    lines.reduce((sum, line) => sum + Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0), 0);
  const failed = count('failed');
  return { passed: count('passed'), failed: exitCode !== 0 && failed === 0 ? 1 : failed };
}
