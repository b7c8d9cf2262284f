// Splits the rows of a shard into jobs for the threads that load them.
import { dtypeCodes } from '../kernel/dtype.ts';
import { loadChunkBytesMax, loadPieceBytesMax } from '../limits.ts';
import { tableRequestBytesMax, tableRequestsMax } from '../table-limits.ts';
import type { ByteSource } from './byte-source.ts';
import { noSlot } from './key-index.ts';
import type { RowsJob } from './load-rows.ts';
import { type FloatDtype, type SourceDtype, sourceCodes, sourceRowBytes } from './source-dtype.ts';
import type { Shard } from './table.ts';

/** The place of a table's rows in a file. */
export interface StoredRows {
  /** The file, which stays open until the rows are loaded. */
  readonly source: ByteSource;
  /** Byte of the file at which the first row begins. */
  readonly position: number;
  /** The tensor, for messages. */
  readonly tensor: string;
}

/** Staging buffers for rows that must be converted: one per thread that reads, or one per request to a server. */
export interface Stagings {
  /** Rows for which a buffer has space: a piece, or what one request asks for. */
  readonly rows: number;
  /** Bytes of a buffer; 0 if rows are not converted. */
  readonly bytes: number;
  /** Empty if rows are not converted. */
  readonly addresses: readonly number[];
}

/**
 * Allocates the staging buffers from the slots, or fewer if there is no space for more.
 * @throws OUT_OF_MEMORY if there is no space for one
 */
export function takeStagings(
  { arena, rows }: Shard,
  source: SourceDtype,
  { source: file }: StoredRows,
  threads: number,
): Stagings {
  const stride = sourceRowBytes(source, rows.dim);
  const converts = rows.dtype !== source;
  const [buffers, bytesMax] =
    file.fd === undefined ? [tableRequestsMax, tableRequestBytesMax] : [threads, loadPieceBytesMax];
  const most = converts ? Math.min(bytesMax, arena.slots.largest / buffers) : bytesMax;
  const bufferRows = Math.min(rows.rows, Math.max(1, Math.floor(most / stride)));
  const bytes = converts ? bufferRows * stride : 0;
  const addresses: number[] = [];
  while (converts && addresses.length < buffers) {
    const address = arena.slots.allocate(bytes);
    if (address === undefined) break;
    addresses.push(address);
  }
  if (converts && addresses.length === 0) throw noSlot(bytes, arena.slots.largest);
  return { rows: bufferRows, bytes, addresses };
}

/**
 * The jobs that load a shard, in the order of the rows.
 * @param bufferRows rows for which a staging buffer has space @param paced whether lookups run meanwhile
 */
export function jobsOf(
  { address, rows: kept }: Shard,
  source: SourceDtype,
  { source: { fd }, position }: StoredRows,
  bufferRows: number,
  paced: boolean,
): RowsJob[] {
  const { rowBase, rows, rowBytes, dim } = kept;
  const stride = sourceRowBytes(source, dim);
  const rowsOf = (bytes: number): number => Math.max(1, Math.floor(bytes / stride));
  const step = fd === undefined ? bufferRows : rowsOf(loadChunkBytesMax);
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    fd,
    position: position + (rowBase + i * step) * stride,
    rows: Math.min(step, rows - i * step),
    pieceRows: Math.min(bufferRows, rowsOf(loadPieceBytesMax)),
    dim,
    sourceDtype: kept.dtype === source ? undefined : sourceCodes[source as FloatDtype],
    sourceRowBytes: stride,
    dtype: dtypeCodes[kept.dtype],
    rowBytes,
    out: address + i * step * rowBytes,
    paced,
  }));
}
