// The bags of a request file, by table, as the public API takes them.
import type { Bags, SafetensorsFile } from '../../src/index.ts';

/** Everything the network wants to know about some requests. */
export interface Requests {
  readonly bags: Record<string, Bags>;
  /** f32 [requests, 10] */
  readonly dense: Float32Array;
}

/** Reads all requests of the file; table TT has `indices_TT`, `offsets_TT` and perhaps `weights_TT`. */
export async function readRequests(file: SafetensorsFile, tables: readonly string[]): Promise<Requests> {
  const bags: Record<string, Bags> = {};
  for (const [i, table] of tables.entries()) {
    const suffix = String(i).padStart(2, '0');
    const weights = `weights_${suffix}`;
    bags[table] = {
      keys: await file.read(`indices_${suffix}`, 'I64'),
      offsets: await file.read(`offsets_${suffix}`, 'I64'),
      includeLastOffset: true,
      weights: file.tensors.has(weights) ? await file.read(weights, 'F32') : undefined,
    };
  }
  return { bags, dense: await file.read('dense', 'F32') };
}

/** The bags of requests picked by position, which may be picked again and again. */
export function pickBags({ keys, offsets, weights }: Bags, positions: readonly number[]): Bags {
  const bounds = [...(offsets as BigInt64Array)].map(Number);
  const ranges = positions.map((i) => [bounds[i], bounds[i + 1]] as const);
  return {
    keys: ranges.flatMap(([begin, end]) => [...(keys as BigInt64Array).subarray(begin, end)].map(Number)),
    lengths: ranges.map(([begin, end]) => end - begin),
    weights: weights && ranges.flatMap(([begin, end]) => [...(weights as Float32Array).subarray(begin, end)]),
  };
}
