// Runs the program in the README unchanged.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstDevice } from './rig.ts';

const folder = import.meta.dirname;

test.skipIf(firstDevice() === undefined)('ping-pong', () => {
  const readme = readFileSync(join(folder, '../README.md'), 'utf8');
  const [, program = ''] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const options = { encoding: 'utf8', cwd: folder } as const;
  const typed = ['--input-type=module-typescript', '-e', program];
  const lines = execFileSync(process.execPath, typed, options).split('\n');
  expect(lines[0]).toMatch(/^pong SUCCESS/);
  expect(lines[1]).toMatch(/^ping SUCCESS/);
});
