// One run of vitest in a process of its own, and what it counted.
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

export function run(args: string, env: Record<string, string>): Promise<Ended> {
  const child = spawn(process.execPath, [vitest, 'run', ...args.split(' ')], {
    cwd: root,
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

/** From the line in which vitest sums up; what ends badly without one has failed. */
export function countsOf({ output, exitCode }: Ended): Counts {
  const line = output.split('\n').findLast((text) => /^ *Tests /.test(text)) ?? '';
  const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0);
  const failed = count('failed');
  return { passed: count('passed'), failed: exitCode !== 0 && failed === 0 ? 1 : failed };
}
