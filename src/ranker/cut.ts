// Cuts the bags of one feature into segments. A segment has those keys of each bag that one shard holds, in bag order.
import { badKey, type CheckedBags } from '../plan/checked-bags.ts';
import type { RoutedTable } from './routed-table.ts';

/** The bags of one feature before they are cut. */
export interface KeyBags {
  /** u32, or u64 as pairs of u32 words. */
  readonly keys: Uint32Array;
  /** u32 [bags + 1]; mode `none` has one bag of all keys. */
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
  /** Position of each key in the feature's keys; undefined: in order. */
  readonly positions: Uint32Array | undefined;
  /** Positions of the padding keys that were removed. */
  readonly padded: Uint32Array;
}

/** The keys of one feature that one shard holds. */
export interface CutSegment {
  /** Index of the shard in the table. */
  readonly shard: number;
  /** u32, or u64 as pairs of u32 words. */
  readonly keys: Uint32Array;
  /** u32 [bags + 1] over the bags that have keys here; undefined for mode `none`. */
  readonly offsets: Uint32Array | undefined;
  readonly weights: Float32Array | undefined;
  /** Which bag (mode `none`: which key) each result belongs to; undefined: in order. */
  readonly bagNumbers: Uint32Array | undefined;
  /** Position of each key in the feature's keys; undefined: in order. */
  readonly positions: Uint32Array | undefined;
}

/** Number of results of a segment: one per bag, or one per key in mode `none`. */
export function vectorsOf(table: RoutedTable, { keys, offsets }: CutSegment): number {
  if (offsets !== undefined) return offsets.length - 1;
  return table.indexed ? keys.length >>> 1 : keys.length;
}

/**
 * Keys of a row-keyed table as u32.
 * @param refuseMissing whether a key without a row is an error
 * @throws INVALID_KEY for a key that cannot be a row number, and for a key without a row if `refuseMissing` is set
 */
export function rowKeys(
  feature: string,
  { name, rows }: { readonly name: string; readonly rows: number },
  keys: CheckedBags['keys'],
  end: number,
  refuseMissing: boolean,
): Uint32Array {
  // Every key must be less than this bound. The error names the first key that is not.
  const bound = refuseMissing ? rows : 2 ** 32;
  if (!(keys instanceof Uint32Array)) return narrowed(feature, name, rows, keys, end, bound);
  const own = upTo(keys, end);
  if (refuseMissing) {
    for (let i = 0; i < own.length; i++) if (own[i] >= bound) throw noRow(feature, name, rows, i, keys[i]);
  }
  return own;
}

function upTo(keys: Uint32Array, end: number): Uint32Array {
  return keys.length === end ? keys : keys.subarray(0, end);
}

function narrowed(
  feature: string,
  table: string,
  rows: number,
  keys: BigUint64Array | BigInt64Array,
  end: number,
  bound: number,
): Uint32Array {
  const words = new Uint32Array(keys.buffer, keys.byteOffset, end * 2);
  const narrow = new Uint32Array(end);
  for (let i = 0; i < end; i++) {
    if (words[2 * i + 1] !== 0 || words[2 * i] >= bound) throw noRow(feature, table, rows, i, keys[i]);
    narrow[i] = words[2 * i];
  }
  return narrow;
}

function noRow(feature: string, table: string, rows: number, position: number, key: unknown): Error {
  return badKey(feature, position, key, `is not a row of table ${table}, which has ${rows} rows`);
}

/** Cuts bags at the shard boundaries. @param places what decides the shard of each key: the keys or their hashes */
export function cutBags(
  table: RoutedTable,
  places: Uint32Array,
  { keys, offsets, weights, positions: stood }: KeyBags,
): CutSegment[] {
  const wordsPerKey = keys.length === places.length ? 1 : 2;
  const shards = table.ends.length;
  const { shardOf, begins } = assign(places, table);
  const cursor = begins.slice(0, shards);
  const positions = new Uint32Array(places.length);
  const lastBag = new Int32Array(shards).fill(-1);
  const bagsIn = new Uint32Array(shards);
  const bags = offsets.length - 1;
  // For each key, sorted by shard: the number of its bag in the feature.
  const bagOf = new Uint32Array(places.length);
  for (let bag = 0; bag < bags; bag++) {
    for (let i = offsets[bag]; i < offsets[bag + 1]; i++) {
      const shard = shardOf[i];
      const at = cursor[shard]++;
      positions[at] = i;
      bagOf[at] = bag;
      if (lastBag[shard] !== bag) {
        lastBag[shard] = bag;
        bagsIn[shard]++;
      }
    }
  }
  const segments: CutSegment[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const [begin, end] = [begins[shard], begins[shard + 1]];
    if (begin === end) continue;
    const own = positions.subarray(begin, end);
    const pooled = table.mode !== 'none';
    const grouped = pooled ? groupBags(bagOf.subarray(begin, end), bagsIn[shard]) : undefined;
    segments.push({
      shard,
      keys: pick(keys, own, wordsPerKey),
      weights: weights && pickWeights(weights, own),
      offsets: grouped?.offsets,
      bagNumbers: grouped?.bagNumbers ?? own,
      positions: stood ? pick(stood, own, 1) : own,
    });
  }
  return segments;
}

/** The shard of each place, and where each shard's keys begin once they are sorted by shard. */
function assign(places: Uint32Array, table: RoutedTable): { shardOf: Uint16Array; begins: Uint32Array } {
  const { ends } = table;
  const last = ends.length - 1;
  // Most shards are equally long, so this guess is right or nearly right.
  const block = ends[0];
  const shardOf = new Uint16Array(places.length);
  const begins = new Uint32Array(ends.length + 1);
  for (let i = 0; i < places.length; i++) {
    const place = places[i];
    let shard = Math.min(last, Math.floor(place / block));
    while (shard > 0 && place < ends[shard - 1]) shard--;
    while (shard < last && place >= ends[shard]) shard++;
    shardOf[i] = shard;
    begins[shard + 1]++;
  }
  for (let shard = 0; shard <= last; shard++) begins[shard + 1] += begins[shard];
  return { shardOf, begins };
}

/** Converts runs of equal bag numbers to offsets, and gives the bag number of each run. */
function groupBags(bagOf: Uint32Array, bags: number): { offsets: Uint32Array; bagNumbers: Uint32Array } {
  const offsets = new Uint32Array(bags + 1);
  const bagNumbers = new Uint32Array(bags);
  let run = -1;
  for (let i = 0; i < bagOf.length; i++) {
    if (run < 0 || bagOf[i] !== bagNumbers[run]) bagNumbers[++run] = bagOf[i];
    offsets[run + 1] = i + 1;
  }
  return { offsets, bagNumbers };
}

export function pick(keys: Uint32Array, positions: Uint32Array, wordsPerKey: number): Uint32Array {
  const picked = new Uint32Array(positions.length * wordsPerKey);
  if (wordsPerKey === 1) for (let i = 0; i < positions.length; i++) picked[i] = keys[positions[i]];
  else {
    for (let i = 0; i < positions.length; i++) {
      picked[2 * i] = keys[2 * positions[i]];
      picked[2 * i + 1] = keys[2 * positions[i] + 1];
    }
  }
  return picked;
}

export function pickWeights(weights: Float32Array, positions: Uint32Array): Float32Array {
  const picked = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i++) picked[i] = weights[positions[i]];
  return picked;
}
