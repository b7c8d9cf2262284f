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
export function pickBags(bags: Bags, positions: readonly number[]): Bags {
  const bounds = boundsOf(bags);
  const ranges = positions.map((i) => [bounds[i], bounds[i + 1]] as const);
  const [keys, weights] = [Array.from(bags.keys, Number), bags.weights && [...bags.weights]];
  return {
    keys: ranges.flatMap(([begin, end]) => keys.slice(begin, end)),
    lengths: ranges.map(([begin, end]) => end - begin),
    weights: weights && ranges.flatMap(([begin, end]) => weights.slice(begin, end)),
  };
}

/** Where each bag begins, and where the last one ends. */
export function boundsOf({ offsets, lengths = [] }: Bags): number[] {
  if (offsets !== undefined) return Array.from(offsets, Number);
  const bounds = [0];
  for (const length of lengths) bounds.push(bounds[bounds.length - 1] + Number(length));
  return bounds;
}
