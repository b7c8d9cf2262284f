// A process or a thread may end at any moment, in any state: it ends well, and leaves nothing.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstDevice } from './rig.ts';

const program = join(import.meta.dirname, 'programs/ending.ts');
const states = ['loaded', 'open', 'connected', 'listening', 'kept', 'told', 'in a callback'];
const moreStates = ['outstanding', 'closing', 'half closed'];
const ways = ['exit', 'terminate', 'exit of a worker', 'end of a worker', 'throw in a worker'];
const nothing = `${JSON.stringify(Array(8).fill(0))}\n`;

/** Channels that were ref()ed keep their threads, so these would never end. */
const endless = (state: string, way: string): boolean =>
  way === 'end of a worker' && (state === 'kept' || state === 'in a callback');

describe.skipIf(firstDevice() === undefined)('endings', () => {
  const endings = [...states, ...moreStates]
    .flatMap((state) => ways.map((way) => [state, way] as const))
    .filter(([state, way]) => !endless(state, way));

  test.each(endings)('%s: %s', (state, way) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, state, way], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe(way === 'exit' ? '' : nothing);
  });
});
