// Pooling as in a typical JavaScript service: loops over Float32Arrays.
import type { RequestBatch } from './requests.ts';
import type { FeatureBags } from './workload.ts';

/** Pools the rows of a batch. `rows` has one row per key: f32 [dim], at any address. */
export function poolRows(
  batch: Pick<RequestBatch, 'features'>,
  rows: readonly (Buffer | null)[],
): Float32Array[] {
  let next = 0;
  return batch.features.map((feature) => {
    const pooled = poolFeature(feature, rows, next);
    next += feature.keys.length;
    return pooled;
  });
}

function poolFeature(
  { table, offsets, weights }: FeatureBags,
  rows: readonly (Buffer | null)[],
  first: number,
): Float32Array {
  const { dim, mode } = table;
  const bags = offsets.length - 1;
  const pooled = new Float32Array(bags * dim);
  // Rows are at unaligned addresses in the reply. A copy is several times faster than a DataView.
  const row = new Float32Array(dim);
  const bytes = new Uint8Array(row.buffer);
  for (let bag = 0; bag < bags; bag++) {
    const at = bag * dim;
    const [begin, end] = [offsets[bag], offsets[bag + 1]];
    for (let key = begin; key < end; key++) {
      const stored = rows[first + key];
      if (stored === null) throw new Error(`table ${table.name}: Redis has no row for key ${key}`);
      bytes.set(stored);
      if (weights) addWeighted(pooled, at, row, weights[key]);
      else if (mode === 'max' && key > begin) takeLarger(pooled, at, row);
      else add(pooled, at, row);
    }
    if (mode === 'mean' && end > begin) divide(pooled, at, dim, end - begin);
  }
  return pooled;
}

function add(pooled: Float32Array, at: number, row: Float32Array): void {
  for (let i = 0; i < row.length; i++) pooled[at + i] += row[i];
}

function addWeighted(pooled: Float32Array, at: number, row: Float32Array, weight: number): void {
  for (let i = 0; i < row.length; i++) pooled[at + i] += row[i] * weight;
}

function takeLarger(pooled: Float32Array, at: number, row: Float32Array): void {
  for (let i = 0; i < row.length; i++) if (row[i] > pooled[at + i]) pooled[at + i] = row[i];
}

function divide(pooled: Float32Array, at: number, dim: number, by: number): void {
  for (let i = 0; i < dim; i++) pooled[at + i] /= by;
}
