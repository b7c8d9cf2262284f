import { describe, expect, test } from 'vitest';
import { rowBytes } from '../../src/kernel/dtype.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { predict } from '../../src/plan/prediction.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import type { TableSpec } from '../../src/plan/table-spec.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { runs } from '../runs.ts';
import { ids, spec } from './small-tables.ts';

describe('a prediction', () => {
  test('equals what random requests give', () => {
    const random = randomOf(3);
    const specs: [Partial<TableSpec>, keysPerBag: number, bagsPerRequest: number][] = [
      [{ rows: 1000 }, 1, 1],
      [{ rows: 1000, dim: 16, mode: 'mean' }, 7, 1],
      [{ rows: 3, dim: 8 }, 2, 3],
      [{ rows: 50, dim: 2, mode: 'max' }, 0.4, 1],
      [{ rows: 50, dim: 32 }, 2.5, 2],
      [{ rows: 1000, dim: 8, mode: 'none', dtype: 'f16' }, 5, 1],
      [{ rows: 1000, dim: 8, dtype: 'int4' }, 40, 1],
    ];
    const tables = specs.map(([fields], i) => ({
      spec: { ...spec, ...fields, name: `t${i}` },
      indexed: i % 2 === 1,
    }));
    const loads = Object.fromEntries(
      specs.map(([, keysPerBag, bagsPerRequest], i) => [`t${i}`, { keysPerBag, bagsPerRequest }]),
    );
    for (const split of ['row', 'auto'] as const) {
      const { routing, predicted } = planSharding({
        tables,
        nodes: ids(3).map((id) => ({ id })),
        split,
        loads,
      });
      const counted = routing.nodes.map(() => ({ replyBytes: 0, workBytes: 0 }));
      for (let request = 0; request < runs.countedRequests; request++)
        for (const [i, own] of routing.tables.entries())
          count(
            routing.nodes.map(({ id }) => id),
            own,
            specs[i][1],
            specs[i][2],
            random,
            counted,
          );
      for (const [i, { replyBytes, workBytes }] of counted.entries()) {
        expect(replyBytes / runs.countedRequests / predicted.nodes[i].replyBytes).toBeCloseTo(1, 1.7);
        expect(workBytes / runs.countedRequests / predicted.nodes[i].workBytes).toBeCloseTo(1, 1.7);
      }
    }
  });

  /** Adds the bytes of one request of a table, with keys drawn at random. */
  function count(
    nodes: readonly string[],
    { spec: { dim, mode, dtype }, shards }: PlannedTable,
    keysPerBag: number,
    bags: number,
    random: () => number,
    counted: { replyBytes: number; workBytes: number }[],
  ): void {
    const end = shards[shards.length - 1].end;
    for (let bag = 0; bag < bags; bag++) {
      const keys = Math.floor(keysPerBag + random());
      const held = shards.map(() => 0);
      for (let i = 0; i < keys; i++) {
        const key = Math.floor(random() * end);
        held[shards.findIndex((shard) => key < shard.end)]++;
      }
      for (const [i, { node }] of shards.entries()) {
        const own = counted[nodes.indexOf(node)];
        own.workBytes += held[i] * rowBytes(dtype ?? 'f32', dim);
        // With only one shard, an empty bag also has a result.
        const pooled = Number(held[i] > 0 || shards.length === 1);
        own.replyBytes += (mode === 'none' ? held[i] : pooled) * (dim * 4 + 4);
      }
    }
  }

  test('assumes one key per bag and one bag per request by default', () => {
    const routing = planSharding({
      tables: [{ spec }],
      nodes: [{ id: 'a' }, { id: 'b' }],
      split: 'row',
    }).routing;
    expect(predict(routing)).toEqual({
      nodes: [
        { node: 'a', tables: 1, shards: 1, bytes: 80, replyBytes: 10, workBytes: 8 },
        { node: 'b', tables: 1, shards: 1, bytes: 80, replyBytes: 10, workBytes: 8 },
      ],
      replyBytes: 20,
      workBytes: 16,
      balance: 1,
    });
  });

  test('counts the bytes of indexes and of default rows', () => {
    const bytes = (fields: Partial<TableSpec>, indexed: boolean): number[] =>
      planSharding({
        tables: [{ spec: { ...spec, ...fields }, indexed }],
        nodes: [{ id: 'a' }, { id: 'b' }],
        split: 'row',
      }).predicted.nodes.map((node) => node.bytes);
    const defaultRow = [0, 0, 0, 0];
    expect(bytes({}, true)).toEqual([5 * (16 + 24), 5 * (16 + 24)]);
    expect(bytes({ defaultRow }, false)).toEqual([80, 96]);
    expect(bytes({ defaultRow }, true)).toEqual([216, 216]);
  });

  test('has no work if no keys are looked up, but a vector for each bag of a whole table', () => {
    const { predicted } = planSharding({
      tables: [{ spec }],
      nodes: [{ id: 'a' }],
      split: 'auto',
      loads: { t: { keysPerBag: 0 } },
    });
    expect(predicted).toMatchObject({ replyBytes: 20, workBytes: 0, balance: 1 });
  });
});
