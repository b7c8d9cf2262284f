// Which of a feature's keys this node answers, shard by shard. Keys of other nodes are not its own, nor an error.
import type { ServedTable } from '../wire/handler.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import type { OutgoingSegment } from '../wire/subrequest.ts';
import type { HostedShard } from './hosting.ts';
import { type Hasher, idHashes } from './id-hashes.ts';
import type { JsonFeature } from './json-body.ts';

/** One shard, and what of a feature it holds. */
export interface JsonSegment {
  readonly feature: JsonFeature;
  readonly hosted: HostedShard;
  readonly begin: number;
  readonly end: number;
  /** Other shards hold the rest of the table: what this one gives is to be merged, then divided. */
  readonly partial: boolean;
  /** Where each of its keys stands in the feature's keys. */
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

/** The shards that hold keys of a feature; the only shard of a table always. @param own of its table */
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

/** What decides the shard of each key: rows, or hashes of ids. */
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

/** The last shard of a row-keyed table answers for rows that there are none of. */
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

/** Results that a segment's answer lists: one a bag, or one a key. */
export function listedOf({ feature: { table, bags } }: JsonSegment): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}

/** The segment as a subrequest carries it: all bags, those without a key here empty. */
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
