// What became of a lookup, written as JSON can say it: floats that JSON has no word for as strings.
import * as layout from '../kernel/layout.ts';
import { EXCEPTION_FATE_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import { type Reply, type ReplyShape, replyPlaces } from '../wire/reply.ts';
import type { JsonFeature } from './json-body.ts';
import type { JsonSegment } from './json-cut.ts';

type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

/** What one shard gives. */
interface JsonShard {
  readonly shard: number;
  readonly begin: number;
  readonly end: number;
  readonly partial: boolean;
  /** One a bag; of mode `none` there are values instead, one a key. */
  readonly bags?: JsonNumber[][];
  readonly values?: JsonNumber[][];
  readonly counts: number[];
  readonly denominators?: JsonNumber[];
}

/** A segment's part of the reply, and what became of its keys. */
interface Part {
  readonly feature: JsonFeature;
  readonly shard: JsonShard;
  readonly exceptions: readonly { readonly position: number; readonly fate: number }[];
}

/** The body of the answer. @param segments that were asked for, in the reply's order */
export function jsonFeatures(
  features: readonly JsonFeature[],
  segments: readonly JsonSegment[],
  reply: Reply,
): object {
  const parts = partsOf(segments, reply);
  const entries = features.map((feature) => {
    const own = parts.filter((part) => part.feature === feature);
    const exceptions = own.flatMap((part) => part.exceptions).sort((a, b) => a.position - b.position);
    const withFate = (wanted: number): number[] =>
      exceptions.filter(({ fate }) => fate === wanted).map(({ position }) => position);
    const answer = {
      dim: feature.table.dim,
      shards: own.map(({ shard }) => shard),
      missing: withFate(layout.FATE_MISSING),
      padded: withFate(layout.FATE_PADDED),
      defaulted: withFate(layout.FATE_DEFAULTED),
    };
    return [feature.name, answer] as const;
  });
  return Object.fromEntries(entries);
}

function partsOf(segments: readonly JsonSegment[], reply: Reply): Part[] {
  const shapes = segments.map(shapeOf);
  const places = replyPlaces(shapes);
  let firstKey = 0;
  return segments.map((segment, i) => {
    const { feature, positions } = segment;
    const { vectors, denominators } = shapes[i];
    const results = {
      values: reply.floats(places.values[i], vectors * feature.table.dim),
      counts: reply.counts(places.counts[i], vectors),
      denominators: denominators ? reply.floats(places.denominators[i], vectors) : undefined,
    };
    const exceptions = exceptionsOf(reply, firstKey, positions);
    firstKey += positions.length;
    return { feature, shard: jsonShard(segment, results), exceptions };
  });
}

function shapeOf({ feature: { table, bags }, partial, positions }: JsonSegment): ReplyShape {
  const divides = table.mode === 'mean' || table.mode === 'sqrtn';
  return {
    vectors: table.mode === 'none' ? positions.length : bags.offsets.length - 1,
    vectorBytes: table.dim * 4,
    counts: true,
    denominators: partial && bags.weights !== undefined && divides,
  };
}

function exceptionsOf(reply: Reply, firstKey: number, positions: Uint32Array): Part['exceptions'] {
  return Array.from(reply.exceptions, (entry) => ({
    place: (entry & EXCEPTION_POSITION_MASK) - firstKey,
    fate: entry >>> EXCEPTION_FATE_SHIFT,
  })).flatMap(({ place, fate }) => {
    return place >= 0 && place < positions.length ? [{ position: positions[place], fate }] : [];
  });
}

function jsonShard(
  { feature, hosted, begin, end, partial, positions }: JsonSegment,
  { values, counts, denominators }: Results,
): JsonShard {
  const { table, bags } = feature;
  const vectors = Array.from(counts, (_, i) => numbers(values.subarray(i * table.dim, (i + 1) * table.dim)));
  const place = { shard: hosted.number, begin, end, partial };
  if (table.mode !== 'none')
    return {
      ...place,
      bags: vectors,
      counts: [...counts],
      ...(denominators && { denominators: numbers(denominators) }),
    };
  const places = new Map(Array.from(positions, (position, i) => [position, i]));
  const placed = Array.from({ length: bags.keys.length }, (_, position) => places.get(position));
  const absent = new Array<number>(table.dim).fill(0);
  return {
    ...place,
    values: placed.map((at) => (at === undefined ? absent : vectors[at])),
    counts: placed.map((at) => (at === undefined ? 0 : counts[at])),
  };
}

interface Results {
  readonly values: Float32Array;
  readonly counts: Uint32Array;
  readonly denominators: Float32Array | undefined;
}

function numbers(values: Float32Array): JsonNumber[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? value : (String(value) as JsonNumber)));
}
