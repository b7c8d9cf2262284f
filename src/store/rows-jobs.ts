// Splits the rows of a shard into jobs for the threads that load them.
import { dtypeCodes } from '../kernel/dtype.ts';
import { loadChunkBytesMax, loadPieceBytesMax } from '../limits.ts';
import { noSlot } from './key-index.ts';
import type { RowsJob } from './load-rows.ts';
import { type FloatDtype, type SourceDtype, sourceCodes, sourceRowBytes } from './source-dtype.ts';
import type { Shard } from './table.ts';

/** The place of a table's rows in a file. */
export interface StoredRows {
  /** A file descriptor that stays open until the rows are loaded. */
  readonly fd: number;
  /** Byte of the file at which the first row begins. */
  readonly position: number;
  /** Path of the file, for error messages. */
  readonly path: string;
}

/** Staging buffers, one per thread, for rows that must be converted. */
export interface Stagings {
  /** Rows of a piece. Each buffer has space for one piece. */
  readonly rows: number;
  /** Bytes of a buffer; 0 if rows are not converted. */
  readonly bytes: number;
  /** Empty if rows are not converted. */
  readonly addresses: readonly number[];
}

/**
 * Allocates a staging buffer per thread from the slots, or fewer if there is no space for more.
 * @throws OUT_OF_MEMORY if there is no space for one
 */
export function takeStagings({ arena, rows }: Shard, source: SourceDtype, threads: number): Stagings {
  const stride = sourceRowBytes(source, rows.dim);
  const converts = rows.dtype !== source;
  const most = converts ? Math.min(loadPieceBytesMax, arena.slots.largest / threads) : loadPieceBytesMax;
  const pieceRows = Math.min(rows.rows, Math.max(1, Math.floor(most / stride)));
  const bytes = converts ? pieceRows * stride : 0;
  const addresses: number[] = [];
  while (converts && addresses.length < threads) {
    const address = arena.slots.allocate(bytes);
    if (address === undefined) break;
    addresses.push(address);
  }
  if (converts && addresses.length === 0) throw noSlot(bytes, arena.slots.largest);
  return { rows: pieceRows, bytes, addresses };
}

/** The jobs that load a shard, in the order of the rows. @param pieceRows rows of a piece */
export function jobsOf(
  { address, rows: kept }: Shard,
  source: SourceDtype,
  { fd, position }: StoredRows,
  pieceRows: number,
): RowsJob[] {
  const { rowBase, rows, rowBytes, dim } = kept;
  const stride = sourceRowBytes(source, dim);
  const step = Math.max(1, Math.floor(loadChunkBytesMax / stride));
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    fd,
    position: position + (rowBase + i * step) * stride,
    rows: Math.min(step, rows - i * step),
    pieceRows,
    dim,
    sourceDtype: kept.dtype === source ? undefined : sourceCodes[source as FloatDtype],
    sourceRowBytes: stride,
    dtype: dtypeCodes[kept.dtype],
    rowBytes,
    out: address + i * step * rowBytes,
  }));
}
