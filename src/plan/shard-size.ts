// How large shards may be, and are: in keys, rows and bytes.
import { rowBytes } from '../kernel/dtype.ts';
import { shardBytesMax } from '../limits.ts';
import type { PlannedShard, PlannedTable } from './routing-table.ts';
import type { TableSpec } from './table-spec.ts';

/** A table, however it is cut. */
export type Uncut = Pick<PlannedTable, 'spec' | 'indexed'>;

/** Where hashes of ids end: an indexed table is cut by a hash of 32 bits. */
const hashesEnd = 2 ** 32;

/** Index bytes a row, at most: three ids share a bucket of 64 bytes. */
const indexRowBytes = 24;

/** Rows that fit in one shard of a row-keyed table. */
export function shardRowsMax(
  { dim, dtype }: Pick<TableSpec, 'dim' | 'dtype'>,
  shardBytes: number = shardBytesMax,
): number {
  // A row less than would fit: the default row of the last shard must fit too.
  return Math.max(1, Math.floor(shardBytes / rowBytes(dtype ?? 'f32', dim)) - 1);
}

/** Where the last shard of a table ends. */
export function keysEnd({ spec, indexed }: Uncut): number {
  return indexed ? hashesEnd : spec.rows;
}

/** The most that `end − begin` may be: rows of a row-keyed table, hashes of an indexed one. */
export function shardSpanMax({ spec, indexed }: Uncut): number {
  if (!indexed) return shardRowsMax(spec);
  const most = Math.floor(shardBytesMax / (rowBytes(spec.dtype ?? 'f32', spec.dim) + indexRowBytes)) - 1;
  // The hash spreads ids evenly, not exactly: six standard deviations are left free.
  const safe = most - Math.ceil(6 * Math.sqrt(most));
  return spec.rows <= safe ? hashesEnd : Math.floor((hashesEnd * safe) / spec.rows);
}

/** The part of a table's keys that a shard answers, where every key is as likely as another. */
export function shareOf(table: Uncut, { begin, end }: Pick<PlannedShard, 'begin' | 'end'>): number {
  return (end - begin) / keysEnd(table);
}

/** Bytes that a shard takes on its node; of an indexed table as expected from the hash, with its index. */
export function shardBytes(table: Uncut, shard: Pick<PlannedShard, 'begin' | 'end'>): number {
  const { spec, indexed } = table;
  const bytes = rowBytes(spec.dtype ?? 'f32', spec.dim);
  // Ids that no row answers may hash to any shard, row numbers that do not exist end in the last one.
  const withDefault = spec.defaultRow !== undefined && (indexed || shard.end === spec.rows);
  const rows = indexed ? Math.ceil(spec.rows * shareOf(table, shard)) : shard.end - shard.begin;
  return (rows + Number(withDefault)) * bytes + (indexed ? rows * indexRowBytes : 0);
}
