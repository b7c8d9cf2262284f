// Which of a feature's keys this node answers, shard by shard. Keys of other nodes are not its own, nor an error.
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

const hashesEnd = 2 ** 32;

/** The shards that hold keys of a feature; the only shard of a table always. */
export function ownSegments(
  feature: JsonFeature,
  shards: ReadonlyMap<number, HostedShard>,
  hasher: Hasher,
): JsonSegment[] {
  const own = feature.table.shards
    .flatMap(({ shard, begin, end }) => {
      const hosted = shards.get(shard);
      return hosted ? [{ hosted, begin, end }] : [];
    })
    .sort((a, b) => a.begin - b.begin);
  const places = placesOf(feature, hasher);
  const held: number[][] = own.map(() => []);
  for (let i = 0; i < places.length; i++) holderOf(own, held, places[i])?.push(i);
  return own.flatMap(({ hosted, begin, end }, i) => {
    const partial = feature.table.indexed
      ? end - begin < hashesEnd
      : hosted.rows.rows < hosted.rows.tableRows;
    if (partial && held[i].length === 0) return [];
    return [{ feature, hosted, begin, end, partial, positions: Uint32Array.from(held[i]) }];
  });
}

/** What decides the shard of each key that is used: rows, or hashes of ids. */
function placesOf({ table, bags }: JsonFeature, hasher: Hasher): Uint32Array {
  const used = table.mode === 'none' ? bags.keys.length : bags.offsets[bags.offsets.length - 1];
  if (bags.keys instanceof Uint32Array) return bags.keys.subarray(0, used);
  const places = new Uint32Array(used);
  for (const { first, hashes } of idHashes(hasher, bags.keys.subarray(0, used))) places.set(hashes, first);
  return places;
}

/** The last shard of a row-keyed table answers for rows that there are none of. */
function holderOf(
  own: readonly Pick<JsonSegment, 'hosted' | 'begin' | 'end'>[],
  held: readonly number[][],
  place: number,
): number[] | undefined {
  let [low, high] = [0, own.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (own[middle].begin <= place) low = middle + 1;
    else high = middle;
  }
  const shard = own[low - 1];
  if (shard === undefined) return undefined;
  return place < shard.end || (shard.hosted.rows.last && shard.hosted.index === 0)
    ? held[low - 1]
    : undefined;
}

/** Results that a segment's answer lists: one a bag, or one a key. */
export function listedOf({ feature: { table, bags } }: JsonSegment): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}

/** The segment as a subrequest carries it: all bags, those without a key here empty. */
export function outgoingOf(
  { feature: { table, bags }, hosted, partial, positions }: JsonSegment,
  missing: OutgoingSegment['missing'],
): OutgoingSegment {
  return {
    shard: hosted.number,
    version: hosted.version,
    keys: pick(bags.keys, positions),
    wide: table.indexed,
    offsets: table.mode === 'none' ? undefined : offsetsOf(bags.offsets, positions),
    weights: bags.weights && Float32Array.from(positions, (position) => bags.weights?.[position] ?? 0),
    partial,
    fetch: false,
    missing,
  };
}

function pick(keys: JsonFeature['bags']['keys'], positions: Uint32Array): Uint32Array {
  if (keys instanceof Uint32Array) return Uint32Array.from(positions, (position) => keys[position]);
  return new Uint32Array(
    BigUint64Array.from(positions, (position) => BigInt.asUintN(64, keys[position])).buffer,
  );
}

/** How many of the ascending positions lie before each offset. */
function offsetsOf(offsets: Uint32Array, positions: Uint32Array): Uint32Array {
  let passed = 0;
  return offsets.map((offset) => {
    while (passed < positions.length && positions[passed] < offset) passed++;
    return passed;
  });
}
