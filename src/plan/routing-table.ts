// Where every row is: tables cut into shards, shards on memory nodes. Plain data, the same on disk as in memory.
import type { TableSpec } from './table-spec.ts';

/**
 * A contiguous range of a table on one node: rows [begin, end) of a row-keyed table; of an indexed one, the ids
 * whose hash (u32) is in [begin, end). Each shard is a plan boundary (docs/numerics.md).
 */
export interface PlannedShard {
  /** Id of the memory node. */
  readonly node: string;
  readonly begin: number;
  readonly end: number;
}

export interface PlannedTable {
  readonly spec: TableSpec;
  /** Which rows: a subrequest names the version that it was planned for. u32, from 1. */
  readonly version: number;
  /** Keys are u64 ids, resolved in each shard by its own index. */
  readonly indexed: boolean;
  /**
   * Digests of the rows that were planned, hexadecimal (store/content.ts): of a sample of them, and of every byte. A node that
   * loads others refuses; so does one that was asked to verify all and has no `contentWhole` to compare with.
   */
  readonly content?: string | undefined;
  readonly contentWhole?: string | undefined;
  /** In order, without gaps: from 0 to the number of rows, or to 2^32 for an indexed table. */
  readonly shards: readonly PlannedShard[];
}

export interface PlannedNode {
  readonly id: string;
  /** Where it is reached; needed to look up, not to serve. */
  readonly url?: string | undefined;
  /** Room for rows, in bytes; needed to plan. */
  readonly bytes?: number | undefined;
}

/** What a ranker routes by, and what a memory node serves by. Shards are numbered through, in table order. */
export interface RoutingTable {
  readonly nodes: readonly PlannedNode[];
  readonly tables: readonly PlannedTable[];
}

/** A shard with its number: its place among all shards of all tables, in order. */
export interface NumberedShard {
  readonly number: number;
  readonly table: PlannedTable;
  readonly shard: PlannedShard;
}

/** Every shard of every table, numbered through. */
export function numberedShards({ tables }: RoutingTable): NumberedShard[] {
  const all = tables.flatMap((table) => table.shards.map((shard) => ({ table, shard })));
  return all.map((placed, number) => ({ number, ...placed }));
}
