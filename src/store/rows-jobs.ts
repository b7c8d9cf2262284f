// The rows of a shard, cut into jobs for the threads that load them.
import { dtypeCodes } from '../kernel/dtype.ts';
import { loadChunkBytesMax, loadPieceBytesMax } from '../limits.ts';
import { noSlot } from './key-index.ts';
import type { RowsJob } from './load-rows.ts';
import { type FloatDtype, type SourceDtype, sourceCodes, sourceRowBytes } from './source-dtype.ts';
import type { Shard } from './table.ts';

/** Rows of a table in a file: where the first of them begins. */
export interface StoredRows {
  /** A descriptor that stays good until the rows are loaded. */
  readonly fd: number;
  readonly position: number;
  /** For messages. */
  readonly path: string;
}

/** Room to convert rows in, one a thread; none where rows are kept as they come. */
export interface Stagings {
  /** Rows of a piece, which each has room for, and the bytes of that room. */
  readonly rows: number;
  readonly bytes: number;
  readonly addresses: readonly number[];
}

/** Takes room for each thread out of the slots, as far as there is room for so many. @throws OUT_OF_MEMORY */
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

/** Jobs in the order of the rows. @param pieceRows rows of a piece */
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
