// Draws tables and nodes for plans, and finds the best plan by trying all plans.

import fc from 'fast-check';
import { dtypes } from '../../src/kernel/dtype.ts';
import { balanceTarget } from '../../src/limits.ts';
import { rowWise, tableWise } from '../../src/plan/placement.ts';
import type { PlannedTableInput, ShardingInput, Split } from '../../src/plan/planner.ts';
import { type Prediction, predict, type TableLoad } from '../../src/plan/prediction.ts';
import type { PlannedShard } from '../../src/plan/routing-table.ts';
import type { TableSpec } from '../../src/plan/table-spec.ts';

/** The objective that `auto` minimises. */
export function objective({ replyBytes, balance }: Pick<Prediction, 'replyBytes' | 'balance'>): number {
  return replyBytes * Math.max(1, balance / balanceTarget);
}

/** Tables with 1 to 10^6 rows and 0 to 100 keys, on a logarithmic scale. */
const table = fc
  .record({
    digits: fc.double({ min: 0, max: 6, noNaN: true }),
    dim: fc.constantFrom(1, 4, 16, 32, 64, 128),
    mode: fc.constantFrom('sum', 'sum', 'mean', 'max', 'none'),
    dtype: fc.constantFrom(...dtypes),
    indexed: fc.boolean(),
    defaults: fc.boolean(),
    keys: fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.constantFrom(0, 0.3, 0.5)),
    bags: fc.constantFrom(1, 1, 2, 0),
  })
  .map(
    ({ digits, indexed, defaults, keys, bags, ...more }): [Omit<TableSpec, 'name'>, boolean, TableLoad] => {
      const rows = Math.ceil(10 ** digits);
      const defaultRow = defaults ? new Array<number>(more.dim).fill(0) : undefined;
      const spec = { ...more, rows, defaultRow };
      return [spec, indexed, { bagsPerRequest: bags, keysPerBag: 10 ** keys }];
    },
  );

/** The capacity of nodes: unlimited, about as much as the tables need, or too little. */
const room = fc.oneof(fc.constant(undefined), fc.double({ min: 0.7, max: 2, noNaN: true }));

export const anyPlan = (
  tablesMax: number,
  nodesMax: number,
): fc.Arbitrary<ShardingInput & { readonly split: Split }> =>
  fc
    .record({
      given: fc.array(table, { minLength: 1, maxLength: tablesMax }),
      rooms: fc.array(room, { minLength: 1, maxLength: nodesMax }),
      slack: fc.constantFrom(1, 1.02, 1.2, 2),
      split: fc.constantFrom('table' as const, 'row' as const, 'auto' as const),
    })
    .map(({ given, rooms, slack, split }) => {
      const tables = given.map(([spec, indexed], i) => ({ spec: { name: `t${i}`, ...spec }, indexed }));
      const loads = Object.fromEntries(given.map(([, , load], i) => [`t${i}`, load]));
      const bytes = tables.reduce(
        (sum, own) => sum + costOf(own, tableWise(own, 'n0'), ['n0'], {}).bytes[0],
        0,
      );
      const nodes = rooms.map((share, i) => {
        return { id: `n${i}`, bytes: share && Math.ceil((share * slack * bytes) / rooms.length) };
      });
      return { tables, nodes, split, loads };
    });

interface Cost {
  readonly replyBytes: number;
  readonly work: readonly number[];
  readonly bytes: readonly number[];
}

function costOf(
  { spec, indexed = false }: PlannedTableInput,
  shards: readonly PlannedShard[],
  ids: readonly string[],
  load: TableLoad,
): Cost {
  const routing = { nodes: ids.map((id) => ({ id })), tables: [{ spec, indexed, version: 1, shards }] };
  const { replyBytes, nodes } = predict(routing, { [spec.name]: load });
  return {
    replyBytes,
    work: nodes.map(({ workBytes }) => workBytes),
    bytes: nodes.map(({ bytes }) => bytes),
  };
}

/** @returns the smallest objective of all plans that fit, or Infinity if no plan fits */
export function leastObjective({ tables, nodes, split, loads = {} }: ShardingInput): number {
  const ids = nodes.map(({ id }) => id);
  const costs = tables.map((own) => {
    const input = { spec: own.spec, indexed: own.indexed ?? false };
    const wholes = split === 'row' ? [] : ids.map((id) => tableWise(input, id));
    const cuts = split === 'table' ? [] : [rowWise(input, ids)];
    return [...wholes, ...cuts].map((shards) => costOf(input, shards, ids, loads[own.spec.name]));
  });
  let least = Number.POSITIVE_INFINITY;
  const visit = (i: number, replyBytes: number, work: readonly number[], bytes: readonly number[]): void => {
    if (bytes.some((own, node) => own > (nodes[node].bytes ?? Number.POSITIVE_INFINITY))) return;
    if (i < costs.length) {
      for (const cost of costs[i])
        visit(i + 1, replyBytes + cost.replyBytes, plus(work, cost.work), plus(bytes, cost.bytes));
    } else {
      const all = work.reduce((sum, own) => sum + own, 0);
      const balance = all > 0 ? (Math.max(...work) * ids.length) / all : 1;
      least = Math.min(least, objective({ replyBytes, balance }));
    }
  };
  const none = ids.map(() => 0);
  visit(0, 0, none, none);
  return least;
}

function plus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + b[i]);
}
