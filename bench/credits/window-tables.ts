// One table per node, so that a lookup needs exactly the nodes whose tables it names.
import type { RoutingTable } from '../../src/plan/routing-table.ts';

export const nodes = 4;
/** The node that is slow, if one is. */
export const slowNode = 0;
export const tables = Array.from({ length: nodes }, (_, i) => {
  return { name: `t${i}`, rows: 10_000, dim: 64, mode: 'sum', weighted: false } as const;
});

/** @param ports of the nodes, in order */
export function routingOf(ports?: readonly number[]): RoutingTable {
  const ids = tables.map((_, i) => `n${i}`);
  return {
    nodes: ids.map((id, i) => (ports ? { id, url: `http://127.0.0.1:${ports[i]}` } : { id })),
    tables: tables.map(({ name, rows, dim, mode }, i) => {
      const shards = [{ node: ids[i], begin: 0, end: rows }];
      return { spec: { name, rows, dim, mode }, version: 1, indexed: false, shards };
    }),
  };
}

/** What is measured, and how. */
export interface WindowSetting {
  readonly name: string;
  /** One of the nodes is slow. */
  readonly slow: boolean;
  /** The window stays as it is at the start. */
  readonly fixed: boolean;
  readonly seconds: number;
  /** Lookups at a time that need all nodes, and those that do not need the slow one. */
  readonly everywhere: number;
  readonly elsewhere: number;
  readonly bags: number;
  readonly replyBytes: number;
  readonly deadline: number;
}

export interface WindowRates {
  readonly perSecond: number;
  readonly late: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

export interface WindowResult {
  readonly everywhere: WindowRates;
  readonly elsewhere: WindowRates;
  /** Subrequests at the node that may be slow, and bytes of its slots for them. */
  readonly held: number;
  readonly heldBytes: number;
}

const keysOfBag = 20;

/** Bags of these tables. */
export function bagsOf(
  numbers: readonly number[],
  bags: number,
): Record<string, { keys: Uint32Array; offsets: Uint32Array }> {
  const offsets = Uint32Array.from({ length: bags }, (_, bag) => bag * keysOfBag);
  return Object.fromEntries(
    numbers.map((i) => {
      const keys = Uint32Array.from({ length: bags * keysOfBag }, (_, at) => (at * 7_919) % tables[i].rows);
      return [tables[i].name, { keys, offsets }];
    }),
  );
}

/** @param times of lookups that were answered @param ms in which they were */
export function ratesOf(times: readonly number[], late: number, ms: number): WindowRates {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { perSecond: (times.length * 1_000) / ms, late, medianMs: at(0.5), p99Ms: at(0.99) };
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
