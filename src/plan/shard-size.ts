// How large shards may be, and how large they are: in keys, rows and bytes.
import { UPDATES_BYTES } from '../kernel/answer-layout.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { shardBytesMax } from '../limits.ts';
import { spareRowsMin, spareRowsShare } from '../update-limits.ts';
import type { PlannedShard, PlannedTable } from './routing-table.ts';
import type { TableSpec } from './table-spec.ts';

/** A table without its shards. */
export type Uncut = Pick<PlannedTable, 'spec' | 'indexed' | 'updates'>;

/** All hashes of ids are less than this: an indexed table is cut by a 32-bit hash. */
const hashesEnd = 2 ** 32;

/** The most bytes of index per row: three ids share a bucket of 64 bytes. */
const indexRowBytes = 24;

/** Rows that fit in one shard of a row-keyed table. */
export function shardRowsMax(
  { dim, dtype }: Pick<TableSpec, 'dim' | 'dtype'>,
  shardBytes: number = shardBytesMax,
): number {
  // This is one row less than would fit, because the last shard must also hold the default row.
  return Math.max(1, Math.floor(shardBytes / rowBytes(dtype ?? 'f32', dim)) - 1);
}

/** Rows for ids that come later, of an indexed shard that has so many rows and takes updates. */
export function spareRows(rows: number): number {
  return Math.max(spareRowsMin, Math.ceil(rows * spareRowsShare));
}

/** Bytes of what a shard says of its updates. */
function recordBytes({ updates }: Pick<Uncut, 'updates'>): number {
  return updates ? UPDATES_BYTES : 0;
}

/** Where the last shard of a table ends. */
export function keysEnd({ spec, indexed }: Uncut): number {
  return indexed ? hashesEnd : spec.rows;
}

/** The most that `end − begin` may be: rows of a row-keyed table, hashes of an indexed one. */
export function shardSpanMax({ spec, indexed, updates }: Uncut): number {
  if (!indexed) return shardRowsMax(spec, shardBytesMax - recordBytes({ updates }));
  const fits = Math.floor(shardBytesMax / (rowBytes(spec.dtype ?? 'f32', spec.dim) + indexRowBytes)) - 1;
  const most = updates ? Math.floor((fits - spareRowsMin) / (1 + spareRowsShare)) - 1 : fits;
  // The hash spreads ids only approximately evenly, so six standard deviations are left free.
  const safe = most - Math.ceil(6 * Math.sqrt(most));
  return spec.rows <= safe ? hashesEnd : Math.floor((hashesEnd * safe) / spec.rows);
}

/** The share of a table's keys that a shard answers, if all keys are equally likely. */
export function shareOf(table: Uncut, { begin, end }: Pick<PlannedShard, 'begin' | 'end'>): number {
  return (end - begin) / keysEnd(table);
}

/** Bytes that a shard takes on its node. For an indexed table: the bytes expected from the hash, with the index. */
export function shardBytes(table: Uncut, shard: Pick<PlannedShard, 'begin' | 'end'>): number {
  const { spec, indexed } = table;
  const own = indexed ? Math.ceil(spec.rows * shareOf(table, shard)) : shard.end - shard.begin;
  const rows = indexed && table.updates ? own + spareRows(own) : own;
  const bytes = rowBytes(spec.dtype ?? 'f32', spec.dim);
  // Ids without a row may hash to any shard; row numbers without a row go to the last shard.
  const withDefault = spec.defaultRow !== undefined && (indexed || shard.end === spec.rows);
  return (rows + Number(withDefault)) * bytes + (indexed ? rows * indexRowBytes : 0) + recordBytes(table);
}
