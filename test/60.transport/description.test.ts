// Checks every field of a node's description: missing, of another kind, and at, below and beyond its bounds.
import { expect, test } from 'vitest';
import * as limits from '../../src/limits.ts';
import { readDescription } from '../../src/transport/description.ts';
import { HEADER_BYTES } from '../../src/wire/layout.ts';

const url = 'http://10.0.0.1:7000';
const sound = {
  node: 'a',
  plan: '0123456789abcdef',
  wireVersions: [1, 2],
  workers: [{ port: 7000 }, { port: 7001 }],
  limits: { subrequestBytes: 1_000_000, replyBytes: 1_000_000, subrequestKeys: 1_000, sessionWindow: 64 },
  tables: [],
};

/** A description in which the field at `path` has another value. `undefined` removes it. */
function changed(path: string, value: unknown): string {
  const copy = structuredClone(sound) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop() as string;
  const holder = names.reduce((at, name) => at[name] as Record<string, unknown>, copy);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return JSON.stringify(copy);
}

/** Integer fields with their minimum and maximum. */
const numbers: readonly [path: string, least: number, most: number][] = [
  ['wireVersions.0', 1, 2],
  ['wireVersions.1', 1, 0xffff],
  ['workers.1.port', 1, limits.portMax],
  ['limits.subrequestBytes', HEADER_BYTES, limits.subrequestBytesMax],
  ['limits.replyBytes', HEADER_BYTES, limits.replyBytesMax],
  ['limits.subrequestKeys', 1, limits.subrequestKeysMax],
  ['limits.sessionWindow', 1, 0xffffffff],
];

const ports = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ port: i + 1 }));

const rightOnes: readonly [string, unknown][] = [
  ['node', 'x'.repeat(limits.nodeIdCharsMax)],
  ['plan', ''],
  ['workers', []],
  ['workers', ports(limits.workersMax)],
  ['tables', new Array(limits.tablesMax).fill({ name: 't' })],
  ['something new', { of: 'a later version' }],
  ...numbers.flatMap(([path, least, most]): [string, unknown][] => [
    [path, least],
    [path, most],
  ]),
];

const anythingElse = [undefined, null, true, 'x', {}, -1, 1.5, 1e300];
const wrongOnes: readonly [string, unknown][] = [
  ...numbers.flatMap(([path, least, most]): [string, unknown][] =>
    [...anythingElse, '7', [], least - 1, most + 1].map((value) => [path, value]),
  ),
  ...['node', 'plan'].flatMap((path): [string, unknown][] =>
    [undefined, null, 7, [], {}].map((value) => [path, value]),
  ),
  ...['wireVersions', 'workers', 'limits', 'tables'].flatMap((path): [string, unknown][] =>
    [...anythingElse, [7]]
      .filter((value) => path !== 'tables' || !Array.isArray(value))
      .map((value) => [path, value]),
  ),
  ['node', ''],
  ['node', 'x'.repeat(limits.nodeIdCharsMax + 1)],
  ['plan', '0123456789ABCDEF'],
  ['plan', '0123456789abcde'],
  ['wireVersions', [3, 2]],
  ['wireVersions', [1]],
  ['workers', ports(limits.workersMax + 1)],
  ['workers', [{ port: 9 }, { port: 9 }]],
  ['tables', new Array(limits.tablesMax + 1).fill({ name: 't' })],
];

test.for(rightOnes)('a valid %s is accepted', ([path, value]) => {
  expect(readDescription(url, changed(path.includes(' ') ? 'new' : path, value))).toBeTypeOf('object');
});

test.for(wrongOnes)('an invalid %s is refused', ([path, value]) => {
  const read = (): unknown => readDescription(url, changed(path, value));
  expect(read).toThrow(
    expect.objectContaining({
      code: 'UNAVAILABLE',
      // The wrong field, or the field that contains it.
      message: expect.stringMatching(
        new RegExp(`${url} does not answer .*\\((${path}|${path.split('.')[0]})`),
      ),
    }),
  );
});
