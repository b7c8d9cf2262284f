// Finds the keys of a feature that this node answers, shard by shard. It skips keys of other nodes; they are no error.
import type { ServedTable } from '../wire/handler.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import type { OutgoingSegment } from '../wire/subrequest.ts';
import type { HostedShard } from './hosting.ts';
import { type Hasher, idHashes } from './id-hashes.ts';
import type { JsonFeature } from './json-body.ts';

/** The part of a feature that one shard holds. */
export interface JsonSegment {
  readonly feature: JsonFeature;
  readonly hosted: HostedShard;
  readonly begin: number;
  readonly end: number;
  /** Whether other shards hold the rest of the table. The results must then be merged with theirs and divided. */
  readonly partial: boolean;
  /** Position of each of its keys among the keys of the feature. */
  readonly positions: Uint32Array;
}

/** A shard that this node holds of a table. */
export type OwnShard = Pick<JsonSegment, 'hosted' | 'begin' | 'end'>;

const hashesEnd = 2 ** 32;

/** The shards of a table that this node holds, in order. */
export function ownShards(table: ServedTable, shards: ReadonlyMap<number, HostedShard>): readonly OwnShard[] {
  return table.shards
    .flatMap(({ shard, begin, end }) => {
      const hosted = shards.get(shard);
      return hosted ? [{ hosted, begin, end }] : [];
    })
    .sort((a, b) => a.begin - b.begin);
}

/** The shards that hold keys of a feature. The only shard of a table is always among them. @param own of its table */
export async function segmentsOf(
  feature: JsonFeature,
  own: readonly OwnShard[],
  hasher: Hasher,
  slices: Slices,
): Promise<JsonSegment[]> {
  const { table, bags } = feature;
  const used = table.mode === 'none' ? bags.keys.length : bags.offsets[bags.offsets.length - 1];
  const held = new Map<OwnShard, number[]>();
  for (let first = 0; first < used; first += elementsAtOnce) {
    if (first > 0) await slices.pause();
    const places = placesOf(bags.keys, first, Math.min(used, first + elementsAtOnce), hasher);
    for (let i = 0; i < places.length; i++) {
      const holder = holderOf(own, places[i]);
      if (holder === undefined) continue;
      const positions = held.get(holder);
      if (positions === undefined) held.set(holder, [first + i]);
      else positions.push(first + i);
    }
  }
  return own.flatMap((shard) => {
    const { hosted, begin, end } = shard;
    const partial = table.indexed ? end - begin < hashesEnd : hosted.rows.rows < hosted.rows.tableRows;
    const positions = held.get(shard);
    if (partial && positions === undefined) return [];
    return [{ feature, hosted, begin, end, partial, positions: Uint32Array.from(positions ?? []) }];
  });
}

/** The numbers that decide the shard of each key: row numbers, or hashes of ids. */
function placesOf(
  keys: JsonFeature['bags']['keys'],
  begin: number,
  end: number,
  hasher: Hasher,
): Uint32Array {
  if (keys instanceof Uint32Array) return keys.subarray(begin, end);
  const places = new Uint32Array(end - begin);
  for (const { first, hashes } of idHashes(hasher, keys.subarray(begin, end))) places.set(hashes, first);
  return places;
}

/** Finds the shard of a key. The last shard of a table without ids also answers for rows past the end of the table. */
function holderOf(own: readonly OwnShard[], place: number): OwnShard | undefined {
  let [low, high] = [0, own.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (own[middle].begin <= place) low = middle + 1;
    else high = middle;
  }
  const shard = own[low - 1];
  if (shard === undefined) return undefined;
  return place < shard.end || (shard.hosted.rows.last && shard.hosted.index === 0) ? shard : undefined;
}

/** Number of results in the answer of a segment: one per bag, or one per key. */
export function listedOf({ feature: { table, bags } }: JsonSegment): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}

/** The segment in the form that a subrequest carries. It has all bags; those without a key in this shard are empty. */
export async function outgoingOf(
  { feature: { table, bags }, hosted, partial, positions }: JsonSegment,
  missing: OutgoingSegment['missing'],
  slices: Slices,
): Promise<OutgoingSegment> {
  const weights = bags.weights && new Float32Array(positions.length);
  const narrow = bags.keys instanceof Uint32Array ? new Uint32Array(positions.length) : undefined;
  const wide = narrow === undefined ? new BigUint64Array(positions.length) : undefined;
  for (let i = 0; i < positions.length; i++) {
    if (i % elementsAtOnce === 0 && i > 0) await slices.pause();
    const position = positions[i];
    if (narrow) narrow[i] = bags.keys[position] as number;
    else if (wide) wide[i] = bags.keys[position] as bigint;
    if (weights && bags.weights) weights[i] = bags.weights[position];
  }
  return {
    shard: hosted.number,
    version: hosted.version,
    keys: narrow ?? new Uint32Array((wide as BigUint64Array).buffer),
    wide: table.indexed,
    offsets: table.mode === 'none' ? undefined : offsetsOf(bags.offsets, positions),
    weights,
    partial,
    fetch: false,
    missing,
  };
}

/** How many of the ascending positions lie before each offset. */
function offsetsOf(offsets: Uint32Array, positions: Uint32Array): Uint32Array {
  let passed = 0;
  return offsets.map((offset) => {
    while (passed < positions.length && positions[passed] < offset) passed++;
    return passed;
  });
}
