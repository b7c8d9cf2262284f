// Tables keep their numbers if all of their bags keep their bits.
import { expect, test } from 'vitest';
import type { PlannedTable, RoutingTable } from '../../src/plan/routing-table.ts';
import { cacheChoices } from '../../src/ranker/cache-options.ts';
import { CachedTables } from '../../src/ranker/cached-tables.ts';

const [content, contentWhole] = ['1', '2'].map((digit) => digit.repeat(32));
const table: PlannedTable = {
  spec: { name: 't', rows: 100, dim: 4, mode: 'sum' },
  ...{ version: 1, indexed: false, content },
  shards: [
    { node: 'a', begin: 0, end: 50 },
    { node: 'b', begin: 50, end: 100 },
  ],
};
const large: PlannedTable = { ...table, spec: { ...table.spec, rows: 2 ** 21 }, shards: [] };
const routingOf = (...tables: PlannedTable[]): RoutingTable => ({ nodes: [], tables });
const other: PlannedTable = { ...table, spec: { ...table.spec, name: 'other' } };
const { spec, shards } = table;

const plain = cacheChoices('1MiB', []);

function isKept(one: PlannedTable, then: PlannedTable): boolean {
  const before = new CachedTables(routingOf(one), plain, false);
  return before.next(routingOf(other, then)).of(then.spec).number === before.of(one.spec).number;
}

const kept: readonly [string, PlannedTable, PlannedTable][] = [
  ['the nodes of its shards', table, { ...table, shards: shards.map((shard) => ({ ...shard, node: 'c' })) }],
  ['a note', table, { ...table, spec: { ...spec, weighted: true } }],
  ['nothing, and every byte is known', { ...large, contentWhole }, { ...large, contentWhole }],
];
test.for(kept)('if this changes, it keeps its number: %s', ([, one, then]) => {
  expect(isKept(one, then)).toBe(true);
});

const changed: readonly [string, PlannedTable, PlannedTable][] = [
  ['its content', table, { ...table, content: contentWhole }],
  ['its whole content', { ...table, contentWhole }, { ...table, contentWhole: content }],
  ['its version', table, { ...table, version: 2 }],
  ['its mode', table, { ...table, spec: { ...spec, mode: 'mean' } }],
  ['its dtype', table, { ...table, spec: { ...spec, dtype: 'f16' } }],
  ['its dim', table, { ...table, spec: { ...spec, dim: 8 } }],
  ['its padding', table, { ...table, spec: { ...spec, padding: 3 } }],
  ['its keys', table, { ...table, indexed: true }],
  [
    'a cut',
    table,
    { ...table, shards: shards.map((shard) => ({ ...shard, end: shard.end === 50 ? 40 : 100 })) },
  ],
  ['its cuts', table, { ...table, shards: [{ node: 'a', begin: 0, end: 100 }] }],
  ['nothing, but its content is unknown', { ...table, content: undefined }, { ...table, content: undefined }],
  ['nothing, but only a sample is known', large, large],
];
test.for(changed)('if this changes, it gets a new number: %s', ([, one, then]) => {
  expect(isKept(one, then)).toBe(false);
});

test('no number comes again, and tables without pooling have none', () => {
  const contents = ['3', '4', '3'].map((digit) => digit.repeat(32));
  let cached = new CachedTables(routingOf(table, other), plain, false);
  const seen = [cached.of(spec).number, cached.of(other.spec).number];
  for (const next of contents) {
    cached = cached.next(routingOf({ ...table, content: next }));
    seen.push(cached.of(spec).number);
  }
  expect(new Set([0, ...seen]).size).toBe(1 + seen.length);
  expect(cached.of({ ...spec, mode: 'none' }).number).toBe(0);
});

test('a table that is off has no number, and pinned tables have their places in any plan', () => {
  const specs = ['t', 'other', 'third'].map((name) => ({ ...spec, name }));
  const tables = { other: 'pinned', t: 'off', third: 'pinned' } as const;
  const choices = cacheChoices({ size: '1MiB', tables }, specs);
  let cached = new CachedTables(routingOf(table, other), choices, false);
  expect(cached.of(spec)).toEqual({ number: 0, pin: 0, followed: false });
  expect(cached.of(other.spec)).toMatchObject({ pin: 1 });
  cached = cached.next(routingOf({ ...table, spec: specs[2] }, table));
  expect(cached.of(spec)).toEqual({ number: 0, pin: 0, followed: false });
  expect(cached.of(specs[2])).toMatchObject({ pin: 2 });
  expect(cached.settings(7, 9)).toEqual({
    bytes: 7,
    bytesMax: 9,
    pins: 2,
    admitsAll: false,
    followed: false,
  });
});
