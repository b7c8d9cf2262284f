// A process or a thread can end at any moment and in any state. It ends without errors and leaves nothing behind.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstDevice } from './rig.ts';

const program = join(import.meta.dirname, 'programs/ending.ts');
const states = [
  ...['loaded', 'open', 'connected', 'listening', 'kept', 'told', 'in a callback'],
  ...['outstanding', 'closing', 'half closed'],
];

/** Runs `programs/ending.ts`. @returns what it printed */
function run(...words: string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: 'utf8',
  });
  expect({ status, signal, stderr, stdout }).toMatchObject({ status: 0, signal: null, stderr: '' });
  return stdout;
}

describe.skipIf(firstDevice() === undefined)('endings', () => {
  test.each(states)('process.exit(): %s', (state) => {
    expect(run('exit', state)).toBe('');
  });

  test.each(['terminate', 'exit of a worker', 'throw in a worker', 'end of a worker'])('%s', (way) => {
    // A channel after ref() keeps its thread alive, so these threads would never end.
    const endless = way === 'end of a worker' ? ['kept', 'in a callback'] : [];
    const chosen = states.filter((state) => !endless.includes(state));
    const nothing = chosen.map((state) => `${state}: ${Array(8).fill(0)}\n`);
    expect(run(way, ...chosen)).toBe(nothing.join(''));
  });
});
