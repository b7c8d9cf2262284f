// Where every row is: tables are cut into shards, and shards are on memory nodes. Plain data, on disk as in memory.
import type { TableSpec } from './table-spec.ts';

/**
 * A contiguous range of a table on one node: rows [begin, end) of a row-keyed table, or those ids
 * of an indexed table whose hash (u32) is in [begin, end). Each shard is a plan boundary (docs/numerics.md).
 */
export interface PlannedShard {
  /** Id of the memory node. */
  readonly node: string;
  /** Other nodes that hold the same rows. Rankers choose one of all for each subrequest. */
  readonly replicas?: readonly string[] | undefined;
  readonly begin: number;
  readonly end: number;
}

export interface PlannedTable {
  readonly spec: TableSpec;
  /** Version of the rows, u32, from 1. A subrequest names the version that it was planned for. */
  readonly version: number;
  /** Keys are u64 ids, resolved in each shard by its own index. */
  readonly indexed: boolean;
  /**
   * Hexadecimal digests of the planned rows (store/content.ts): `content` of a sample, `contentWhole` of every byte. A
   * node refuses to load other rows. If it was asked to verify all bytes, it also refuses without a `contentWhole`.
   */
  readonly content?: string | undefined;
  readonly contentWhole?: string | undefined;
  /** Its rows change while nodes serve them: batches of row updates are written to them. */
  readonly updates?: true | undefined;
  /** In order, without gaps: from 0 to the number of rows, or to 2^32 for an indexed table. */
  readonly shards: readonly PlannedShard[];
}

export interface PlannedNode {
  readonly id: string;
  /** Its address; needed for lookups, not for serving. */
  readonly url?: string | undefined;
  /** Memory for rows, in bytes; only used to plan. */
  readonly bytes?: number | undefined;
  /** What may fail together: a rack, a data centre. Only used to plan: the replicas of a shard are in different zones. */
  readonly zone?: string | undefined;
}

/** Rankers route by it, and memory nodes serve by it. Shards have consecutive numbers across all tables, in order. */
export interface RoutingTable {
  readonly nodes: readonly PlannedNode[];
  readonly tables: readonly PlannedTable[];
}

/** The nodes that hold a shard: any of them answers for it. */
export function holdersOf({
  node,
  replicas = [],
}: Pick<PlannedShard, 'node' | 'replicas'>): readonly string[] {
  return [node, ...replicas];
}

/** The nodes that hold shards. */
export function holdersIn({ tables }: Pick<RoutingTable, 'tables'>): Set<string> {
  return new Set(tables.flatMap(({ shards }) => shards.flatMap(holdersOf)));
}

/** A shard with its number: its place among all shards of all tables, in order. */
export interface NumberedShard {
  readonly number: number;
  readonly table: PlannedTable;
  readonly shard: PlannedShard;
}

/** Every shard of every table, with its number. */
export function numberedShards({ tables }: Pick<RoutingTable, 'tables'>): NumberedShard[] {
  const all = tables.flatMap((table) => table.shards.map((shard) => ({ table, shard })));
  return all.map((placed, number) => ({ number, ...placed }));
}
