import type { KeyedBags } from '../../src/index.ts';
import { type FeatureBags, sum } from './workload.ts';

/** The request of one lookup. */
export interface RequestBatch {
  readonly samples: number;
  readonly keys: number;
  /** In the order of the workload's tables. */
  readonly features: readonly FeatureBags[];
  /** The same bags in the form that the API takes. */
  readonly bags: KeyedBags;
}

/** Divides all samples into batches. They are used in turn, so that caches do not contain their rows. */
export function batchesOf(all: readonly FeatureBags[], samples: number): RequestBatch[] {
  const held = all[0].offsets.length - 1;
  return Array.from({ length: Math.floor(held / samples) }, (_, i) => {
    const features = all.map((feature) => part(feature, i * samples, samples));
    const keys = sum(features.map((feature) => feature.keys.length));
    return { samples, keys, features, bags: bagsOf(features) };
  });
}

function part({ table, keys, offsets, weights }: FeatureBags, first: number, samples: number): FeatureBags {
  const [begin, end] = [offsets[first], offsets[first + samples]];
  return {
    table,
    keys: keys.slice(begin, end),
    offsets: offsets.slice(first, first + samples + 1).map((offset) => offset - begin),
    weights: weights?.slice(begin, end),
  };
}

/** Some bags of a feature, which may be picked again and again. */
export function pickBags(
  { table, keys, offsets, weights }: FeatureBags,
  positions: readonly number[],
): FeatureBags {
  const ends = new Uint32Array(positions.length + 1);
  for (const [i, bag] of positions.entries()) ends[i + 1] = ends[i] + offsets[bag + 1] - offsets[bag];
  const picked = new Uint32Array(ends[positions.length]);
  const pickedWeights = weights && new Float32Array(picked.length);
  for (const [i, bag] of positions.entries()) {
    picked.set(keys.subarray(offsets[bag], offsets[bag + 1]), ends[i]);
    if (weights) pickedWeights?.set(weights.subarray(offsets[bag], offsets[bag + 1]), ends[i]);
  }
  return { table, keys: picked, offsets: ends, weights: pickedWeights };
}

function bagsOf(features: readonly FeatureBags[]): KeyedBags {
  return Object.fromEntries(
    features.map(({ table, keys, offsets, weights }) => {
      return [table.name, { keys, offsets, includeLastOffset: true, weights }];
    }),
  );
}
