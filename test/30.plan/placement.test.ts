// The cuts of the rows of one table.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shardBytesMax } from '../../src/limits.ts';
import { rowWise, tableWise } from '../../src/plan/placement.ts';
import type { PlannedShard, PlannedTable } from '../../src/plan/routing-table.ts';
import type { TableSpec } from '../../src/plan/table-spec.ts';
import { shardRanges } from '../../src/store/store.ts';
import { runs } from '../runs.ts';
import { ids, spec } from './small-tables.ts';

const table = (fields: Partial<TableSpec>, indexed = false): Pick<PlannedTable, 'spec' | 'indexed'> => ({
  spec: { ...spec, ...fields },
  indexed,
});

const bounds = (shards: readonly PlannedShard[]): unknown[] =>
  shards.map(({ node, begin, end }) => [node, begin, end]);

describe('row-wise', () => {
  test('gives each node a block of ⌈rows / nodes⌉ rows; the last block may be shorter', () => {
    const shards = rowWise(table({ rows: 10 }), ids(4));
    expect(bounds(shards)).toEqual([
      ['n0', 0, 3],
      ['n1', 3, 6],
      ['n2', 6, 9],
      ['n3', 9, 10],
    ]);
  });

  test('leaves out nodes for which no rows remain', () => {
    expect(bounds(rowWise(table({ rows: 5 }), ids(4)))).toEqual([
      ['n0', 0, 2],
      ['n1', 2, 4],
      ['n2', 4, 5],
    ]);
    expect(bounds(rowWise(table({ rows: 1 }), ids(3)))).toEqual([['n0', 0, 1]]);
  });

  test('cuts indexed tables by hash', () => {
    const shards = rowWise(table({ rows: 2 }, true), ids(3));
    expect(bounds(shards)).toEqual([
      ['n0', 0, 1431655766],
      ['n1', 1431655766, 2863311532],
      ['n2', 2863311532, 2 ** 32],
    ]);
  });

  test('cuts blocks that are larger than an arena', () => {
    const most = shardBytesMax / 16 - 1;
    const shards = rowWise(table({ rows: 2 * most + 4 }), ids(2));
    expect(bounds(shards)).toEqual([
      ['n0', 0, most],
      ['n0', most, most + 2],
      ['n1', most + 2, 2 * most + 2],
      ['n1', 2 * most + 2, 2 * most + 4],
    ]);
  });
});

describe('table-wise', () => {
  test('makes one shard', () => {
    expect(bounds(tableWise(table({}), 'a'))).toEqual([['a', 0, 10]]);
    expect(bounds(tableWise(table({}, true), 'a'))).toEqual([['a', 0, 2 ** 32]]);
  });

  test('cuts a table at the same rows as a store in this process', () => {
    const anyShape = fc.record({
      rows: fc.integer({ min: 1, max: 2 ** 32 - 2 }),
      dim: fc.integer({ min: 1, max: 4096 }),
      dtype: fc.constantFrom('f32' as const, 'f16' as const, 'int8' as const, 'int4' as const),
    });
    fc.assert(
      fc.property(anyShape, (shape) => {
        const own = tableWise(table(shape), 'a').map(({ begin, end }) => ({
          first: begin,
          rows: end - begin,
        }));
        expect(own).toEqual([...shardRanges(shape)]);
      }),
      { numRuns: runs.routingTables },
    );
  });

  test('cuts an indexed table so that rows and index of each shard fit in an arena', () => {
    const rows = 500_000_000;
    const shards = tableWise(table({ rows, dim: 2 }, true), 'a');
    const expected = shards.map(({ begin, end }) => (rows * (end - begin)) / 2 ** 32);
    expect(shards[0].begin).toBe(0);
    expect(shards[shards.length - 1].end).toBe(2 ** 32);
    // Each shard has space for six standard deviations more ids than expected.
    for (const count of expected)
      expect((count + 6 * Math.sqrt(count) + 1) * (8 + 24)).toBeLessThan(shardBytesMax);
    expect(shards.length).toBe(Math.ceil((rows * (8 + 24)) / (shardBytesMax * 0.999)));
  });
});
