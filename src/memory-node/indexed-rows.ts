// The rows of an indexed table that a shard holds: their ids hash into its range. They are scattered over the file.
import { loadChunkBytesMax } from '../limits.ts';
import type { PlannedShard } from '../plan/routing-table.ts';
import { type Hasher, idHashes } from '../store/id-hashes.ts';
import { inLanes } from '../store/lanes.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { spansAtOnceMax } from '../table-limits.ts';

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

/** Rows of the list, from index `from` to before index `to`, which are near each other in the file. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Reads the rows of a tensor that `rows` lists from index `first` on, until `bytes` is full. It reads in spans, because
 * the rows are scattered, and a few spans at a time, because a server may be far away.
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
  const own = rows.subarray(first, first + bytes.length / stride);
  const spans = spansOf(own, Math.max(1, Math.floor(loadChunkBytesMax / stride)));
  const lane = async (n: number): Promise<void> => {
    const { from, to } = spans[n];
    const begin = own[from];
    const span = new Uint8Array((own[to - 1] - begin + 1) * stride);
    await file.readInto(tensor, begin * stride, span);
    for (let i = from; i < to; i++) {
      const at = (own[i] - begin) * stride;
      bytes.set(span.subarray(at, at + stride), i * stride);
    }
  };
  await inLanes(spans.length, new Array(Math.min(spans.length, spansAtOnceMax)).fill(lane), () => {});
}

/** Cuts ascending rows into spans of at most `spanRows` rows of the file. */
function spansOf(rows: Uint32Array, spanRows: number): Span[] {
  const spans: Span[] = [];
  for (let from = 0, to = 0; from < rows.length; from = to) {
    while (to < rows.length && rows[to] < rows[from] + spanRows) to++;
    spans.push({ from, to });
  }
  return spans;
}
