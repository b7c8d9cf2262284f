// Bounds for the difference between two ways to sum the same rows.
import { SafetensorsFile } from '../../src/index.ts';
import { withFile } from './request-files.ts';

/** The rounding error of one f32 operation. */
const unit = 2 ** -24;

/**
 * For each table and each of its pooled values, a bound for the difference between two orders of summing:
 * 2 · γ(n + 2) · Σ|w · x| with γ(k) = k · u / (1 − k · u), divided by the divisor of the mode. It is 0 for max.
 */
export async function roundingBounds(tables: string, requests: string): Promise<Float64Array[]> {
  await using file = await SafetensorsFile.open(tables);
  const specs: Spec[] = JSON.parse(file.metadata.tables);
  return await withFile(requests, (asked) =>
    Promise.all(
      specs.map(async (spec, i) =>
        boundsOf(spec, await file.read(spec.tensor, 'F32'), await bagsOf(asked, i)),
      ),
    ),
  );
}

interface Spec {
  readonly dim: number;
  readonly mode: string;
  readonly tensor: string;
}

interface FileBags {
  readonly keys: BigInt64Array;
  readonly offsets: BigInt64Array;
  readonly weights: Float32Array | undefined;
}

async function bagsOf(file: SafetensorsFile, table: number): Promise<FileBags> {
  const suffix = String(table).padStart(2, '0');
  const weights = `weights_${suffix}`;
  return {
    keys: await file.read(`indices_${suffix}`, 'I64'),
    offsets: await file.read(`offsets_${suffix}`, 'I64'),
    weights: file.tensors.has(weights) ? await file.read(weights, 'F32') : undefined,
  };
}

function boundsOf(
  { dim, mode }: Spec,
  rows: Float32Array,
  { keys, offsets, weights }: FileBags,
): Float64Array {
  const bounds = new Float64Array((offsets.length - 1) * dim);
  if (mode === 'max') return bounds;
  for (let bag = 0; bag + 1 < offsets.length; bag++) {
    const [begin, end] = [Number(offsets[bag]), Number(offsets[bag + 1])];
    // The product and the division add one rounding each.
    const k = (end - begin + 2) * unit;
    const divisor = mode === 'mean' ? Math.max(1, end - begin) : 1;
    for (let i = begin; i < end; i++) {
      const weight = weights?.[i] ?? 1;
      for (let column = 0; column < dim; column++)
        bounds[bag * dim + column] += Math.abs(weight * rows[Number(keys[i]) * dim + column]);
    }
    for (let at = bag * dim; at < (bag + 1) * dim; at++) bounds[at] *= (2 * k) / (1 - k) / divisor;
  }
  return bounds;
}
