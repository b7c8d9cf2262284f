// Batches of row updates as bytes: what is in the stream. docs/updates.md explains the fields.
import { FlexemrError } from '../errors.ts';
import { batchBytesMax, batchRowsMax } from '../update-limits.ts';
import { digestOf } from './digest.ts';

/** A place in the chain of a shard: so many batches, the last of which has this digest. */
export interface ChainPosition {
  /** Which stream. One that was made anew has another. u32. */
  readonly incarnation: number;
  readonly number: bigint;
  readonly digest: bigint;
}

/** New rows of a shard. A key is in a batch at most once. */
export interface BatchRows {
  /** Keys of rows that are written, u64 [n]: row numbers of the table, or ids. */
  readonly keys: BigUint64Array;
  /** f32 [n, dim]. */
  readonly rows: Float32Array;
  /** Ids that have no row any more, u64 [m]. Only for indexed tables. */
  readonly deletes: BigUint64Array;
}

/** A batch of a shard, and its place in the chain. */
export interface Batch extends BatchRows {
  readonly position: ChainPosition;
  /** Digest of the batch before it. */
  readonly previous: bigint;
  /** The sequence up to which its writer has seen the chain. */
  readonly after: number;
  readonly dim: number;
  /** When it was made, in ms since 1970. */
  readonly madeAt: number;
}

/** A batch without its rows. */
export type BatchKeys = Pick<Batch, 'position' | 'previous' | 'after' | 'keys' | 'deletes'>;

/** The bytes "FXU1". */
const batchMagic = 0x31555846;
const headerBytes = 64;

// Byte offsets of the header. All fields are little-endian; u32 unless said otherwise.
const at = {
  magic: 0,
  incarnation: 4,
  /** u64 */
  number: 8,
  /** u64 */
  previous: 16,
  /** u64, of all words of the batch with 0 here. */
  digest: 24,
  upserts: 32,
  deletes: 36,
  dim: 40,
  /** u64 */
  madeAt: 48,
  /** u64 */
  after: 56,
} as const;

/** Bytes of a batch. */
export function batchBytes(upserts: number, deletes: number, dim: number): number {
  return headerBytes + (upserts + deletes) * 8 + upserts * dim * 4;
}

/** How many rows fit in a batch of so many bytes. */
export function batchRowsIn(bytes: number, dim: number): number {
  return Math.min(batchRowsMax, Math.floor((Math.min(bytes, batchBytesMax) - headerBytes) / (8 + dim * 4)));
}

/** Where a chain ends, and the sequence of what was written last to it, even if that lost a race. 0: nothing was. */
export interface ChainEnd {
  readonly sequence: number;
  readonly position: ChainPosition;
}

/** Writes the next batch of a chain. @returns its bytes and its position */
export function writeBatch(
  { keys, rows, deletes }: BatchRows,
  { sequence, position: after }: ChainEnd,
  madeAt: number,
): { readonly bytes: Uint8Array; readonly position: ChainPosition } {
  const dim = keys.length === 0 ? 0 : rows.length / keys.length;
  const bytes = new Uint8Array(batchBytes(keys.length, deletes.length, dim));
  const view = new DataView(bytes.buffer);
  const number = after.number + 1n;
  view.setUint32(at.magic, batchMagic, true);
  view.setUint32(at.incarnation, after.incarnation, true);
  view.setBigUint64(at.number, number, true);
  view.setBigUint64(at.previous, after.digest, true);
  view.setUint32(at.upserts, keys.length, true);
  view.setUint32(at.deletes, deletes.length, true);
  view.setUint32(at.dim, dim, true);
  view.setBigUint64(at.madeAt, BigInt(Math.floor(madeAt)), true);
  view.setBigUint64(at.after, BigInt(sequence), true);
  new BigUint64Array(bytes.buffer, headerBytes, keys.length).set(keys);
  const deletesAt = headerBytes + keys.length * 8;
  new BigUint64Array(bytes.buffer, deletesAt, deletes.length).set(deletes);
  new Float32Array(bytes.buffer, deletesAt + deletes.length * 8, rows.length).set(rows);
  const digest = digestOf(new Uint32Array(bytes.buffer));
  view.setBigUint64(at.digest, digest, true);
  return { bytes, position: { incarnation: after.incarnation, number, digest } };
}

/** The digest of a batch. @param batch that was written here */
export function digestIn(batch: Uint8Array): bigint {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  return view.getBigUint64(at.digest, true);
}

/** The bytes of a batch without its rows. @param batch that was written here */
export function withoutRows(batch: Uint8Array): Uint8Array {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const keys = view.getUint32(at.upserts, true) + view.getUint32(at.deletes, true);
  return batch.subarray(0, headerBytes + keys * 8);
}

/** Reads the bytes of a batch without its rows. @throws INVALID_FRAME */
export function readWithoutRows(given: Uint8Array): BatchKeys {
  const bytes = new Uint8Array(given);
  const view = new DataView(bytes.buffer);
  if (bytes.length < headerBytes || view.getUint32(at.magic, true) !== batchMagic)
    throw invalid(`${bytes.length} bytes are not the keys of a batch`, bytes.length);
  const [upserts, deletes] = [view.getUint32(at.upserts, true), view.getUint32(at.deletes, true)];
  if (upserts + deletes > batchRowsMax || bytes.length !== headerBytes + (upserts + deletes) * 8)
    throw invalid(`its ${bytes.length} bytes are not those of ${upserts + deletes} keys`, bytes.length);
  return {
    ...placeIn(view),
    keys: new BigUint64Array(bytes.buffer, headerBytes, upserts),
    deletes: new BigUint64Array(bytes.buffer, headerBytes + upserts * 8, deletes),
  };
}

function placeIn(view: DataView): Pick<Batch, 'position' | 'previous' | 'after'> {
  const [incarnation, number] = [view.getUint32(at.incarnation, true), view.getBigUint64(at.number, true)];
  return {
    position: { incarnation, number, digest: view.getBigUint64(at.digest, true) },
    previous: view.getBigUint64(at.previous, true),
    after: Number(view.getBigUint64(at.after, true)),
  };
}

/** Reads a batch. It may be anything: everybody who may publish to the stream has written it. @throws INVALID_FRAME */
export function readBatch(given: Uint8Array): Batch {
  // A copy begins at a whole word, and is changed below. A slice of a Buffer would not be one.
  const bytes = new Uint8Array(given);
  const view = new DataView(bytes.buffer);
  if (bytes.length < headerBytes || view.getUint32(at.magic, true) !== batchMagic)
    throw invalid(`${bytes.length} bytes are not a batch`, bytes.length);
  const [upserts, deletes] = [view.getUint32(at.upserts, true), view.getUint32(at.deletes, true)];
  const dim = view.getUint32(at.dim, true);
  if (upserts + deletes > batchRowsMax)
    throw invalid(`it has ${upserts + deletes} keys, more than ${batchRowsMax}`, upserts + deletes);
  const wanted = batchBytes(upserts, deletes, dim);
  if (wanted !== bytes.length)
    throw invalid(`it has ${bytes.length} bytes, but its header says ${wanted}`, bytes.length);
  const digest = view.getBigUint64(at.digest, true);
  view.setBigUint64(at.digest, 0n, true);
  if (digestOf(new Uint32Array(bytes.buffer)) !== digest)
    throw invalid('its digest is not that of its bytes', digest);
  view.setBigUint64(at.digest, digest, true);
  const deletesAt = headerBytes + upserts * 8;
  return {
    ...placeIn(view),
    dim,
    madeAt: Number(view.getBigUint64(at.madeAt, true)),
    keys: new BigUint64Array(bytes.buffer, headerBytes, upserts),
    deletes: new BigUint64Array(bytes.buffer, deletesAt, deletes),
    rows: new Float32Array(bytes.buffer, deletesAt + deletes * 8, upserts * dim),
  };
}

function invalid(problem: string, value: unknown): FlexemrError {
  return new FlexemrError('INVALID_FRAME', `a batch of row updates: ${problem}`, { field: 'batch', value });
}
