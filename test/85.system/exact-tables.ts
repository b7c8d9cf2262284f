// Tables on two nodes whose sums are exact in any order, and lookups with their expected results.
import type { KeyedBags, Lookup, TableMode } from '../../src/index.ts';
import { rowWise, tableWise } from '../../src/plan/placement.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { below, type Random, random } from '../../src/simulation/random.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = 3_000;
const dim = 32;

export const nodeIds: readonly [string, string] = ['n0', 'n1'];

/** Four whole tables, two on each node, and one that is cut in half. */
const modes: readonly TableMode[] = ['sum', 'mean', 'max', 'none', 'sum'];
const cutTable = modes.length - 1;

export const routing: RoutingTable = {
  nodes: nodeIds.map((id) => ({ id })),
  tables: modes.map((mode, i) => {
    const table = { spec: { name: nameOf(i), rows, dim, mode }, version: 1, indexed: false };
    const shards = i === cutTable ? rowWise(table, nodeIds) : tableWise(table, nodeIds[i % 2]);
    return { ...table, shards };
  }),
};

/** Every row on both nodes. */
export const replicated: RoutingTable = {
  ...routing,
  tables: routing.tables.map((table) => ({
    ...table,
    shards: table.shards.map((shard) => ({
      ...shard,
      replicas: nodeIds.filter((id) => id !== shard.node),
    })),
  })),
};

function nameOf(i: number): string {
  return `t${i}`;
}

/** Rows of small integers, which f32 adds without rounding. */
export function exactTables(): GivenTable[] {
  const next = random(1);
  return routing.tables.map(({ spec }) => {
    return { spec, rows: Float32Array.from({ length: rows * dim }, () => below(next, 100) - 50) };
  });
}

export interface Asked {
  readonly bags: KeyedBags;
  readonly expected: Lookup;
}

/** Draws bags of 0 to 19 keys. Every fourth lookup is large enough for the connections for large ones. */
export function drawBags(seed: number): KeyedBags {
  const next = random(seed);
  const samples = seed % 4 === 0 ? 100 : 20;
  return Object.fromEntries(routing.tables.map(({ spec }) => [spec.name, bagsOf(samples, next)]));
}

function bagsOf(
  samples: number,
  next: Random,
): { readonly keys: Uint32Array; readonly lengths: Uint32Array } {
  const lengths = Uint32Array.from({ length: samples }, () => below(next, 20));
  const keys = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
  return { keys: keys.map(() => below(next, rows)), lengths };
}

/** The results (bags, or keys in mode `none`) of a feature of which the node has a part, in order. */
export function resultsOn(node: string, name: string, bags: KeyedBags): number[] {
  const table = routing.tables.find(({ spec }) => spec.name === name);
  const shards = table?.shards.filter((shard) => shard.node === node) ?? [];
  const { keys, lengths = [] } = bags[name];
  const results = table?.spec.mode === 'none' ? keys.length : lengths.length;
  const all = Array.from({ length: results }, (_, i) => i);
  if (table?.shards.length === shards.length) return all;
  let begin = 0;
  return all.filter((bag) => {
    const own = Array.from(keys.slice(begin, begin + Number(lengths[bag])), Number);
    begin += own.length;
    return own.some((key) => shards.some((shard) => key >= shard.begin && key < shard.end));
  });
}
