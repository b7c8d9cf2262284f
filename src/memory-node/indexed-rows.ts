// The rows of an indexed table that a shard holds: their ids hash into its range. They are scattered over the file.
import { loadChunkBytesMax } from '../limits.ts';
import type { PlannedShard } from '../plan/routing-table.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { type Hasher, idHashes } from './id-hashes.ts';

/** The rows whose ids a shard holds, in ascending order. */
export function rowsOfHashes(
  hasher: Hasher,
  ids: BigUint64Array | BigInt64Array,
  { begin, end }: Pick<PlannedShard, 'begin' | 'end'>,
): Uint32Array {
  const rows: number[] = [];
  for (const { first, hashes } of idHashes(hasher, ids)) {
    for (let i = 0; i < hashes.length; i++) if (hashes[i] >= begin && hashes[i] < end) rows.push(first + i);
  }
  return Uint32Array.from(rows);
}

/**
 * Reads the rows of a tensor that `rows` lists from index `first` on, until `bytes` is full. It reads in spans, because
 * the rows are scattered.
 */
export async function readRows(
  file: SafetensorsFile,
  tensor: string,
  rows: Uint32Array,
  first: number,
  bytes: Uint8Array,
): Promise<void> {
  const entry = file.entry(tensor);
  const stride = (entry.end - entry.begin) / entry.shape[0];
  const count = bytes.length / stride;
  const spanRows = Math.max(1, Math.floor(loadChunkBytesMax / stride));
  for (let i = 0; i < count; ) {
    const begin = rows[first + i];
    let next = i;
    while (next < count && rows[first + next] < begin + spanRows) next++;
    const span = new Uint8Array((rows[first + next - 1] - begin + 1) * stride);
    await file.readInto(tensor, begin * stride, span);
    for (; i < next; i++) {
      const at = (rows[first + i] - begin) * stride;
      bytes.set(span.subarray(at, at + stride), i * stride);
    }
  }
}
