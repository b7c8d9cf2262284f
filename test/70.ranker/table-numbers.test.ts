// Tables keep their numbers if all of their bags keep their bits.
import { expect, test } from 'vitest';
import type { PlannedTable, RoutingTable } from '../../src/plan/routing-table.ts';
import { TableNumbers } from '../../src/ranker/table-numbers.ts';

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

function isKept(one: PlannedTable, then: PlannedTable): boolean {
  const before = new TableNumbers(routingOf(one));
  return new TableNumbers(routingOf(other, then), before).of(then.spec) === before.of(one.spec);
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
  let numbers = new TableNumbers(routingOf(table, other));
  const seen = [numbers.of(spec), numbers.of(other.spec)];
  for (const next of contents) {
    numbers = new TableNumbers(routingOf({ ...table, content: next }), numbers);
    seen.push(numbers.of(spec));
  }
  expect(new Set([0, ...seen]).size).toBe(1 + seen.length);
  expect(numbers.of({ ...spec, mode: 'none' })).toBe(0);
});
