// Writes the results of a lookup as JSON. Floats that JSON cannot express (NaN, Infinity) become strings.

import * as layout from '../kernel/layout.ts';
import { divides } from '../kernel/pooling-mode.ts';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import { type Reply, type ReplyShape, replyPlaces } from '../wire/reply.ts';
import type { Slices } from '../wire/slices.ts';
import type { JsonFeature } from './json-body.ts';
import type { JsonSegment } from './json-cut.ts';

type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

/** The results of one shard. */
interface JsonShard {
  readonly shard: number;
  readonly begin: number;
  readonly end: number;
  readonly partial: boolean;
  /** One vector per bag. Tables of mode `none` have `values` instead, one vector per key. */
  readonly bags?: JsonNumber[][];
  readonly values?: JsonNumber[][];
  readonly counts: number[];
  readonly denominators?: JsonNumber[];
}

/** Positions of the keys that were not simply pooled, by outcome. */
interface Outcomes {
  readonly missing: number[];
  readonly padded: number[];
  readonly defaulted: number[];
}

/** The answer of one feature. */
interface JsonAnswer extends Outcomes {
  readonly dim: number;
  readonly shards: JsonShard[];
}

/** The answers of all features, filled in as replies arrive. */
export class JsonAnswers {
  readonly #answers = new Map<JsonFeature, JsonAnswer>();

  constructor(features: readonly JsonFeature[]) {
    for (const feature of features)
      this.#answers.set(feature, {
        dim: feature.table.dim,
        shards: [],
        missing: [],
        padded: [],
        defaulted: [],
      });
  }

  /** Adds the reply to these segments. The reply has the order of the segments. */
  async add(segments: readonly JsonSegment[], reply: Reply, slices: Slices): Promise<void> {
    const shapes = segments.map(shapeOf);
    const places = replyPlaces(shapes);
    const { exceptions } = reply;
    let [firstKey, exception] = [0, 0];
    for (const [i, segment] of segments.entries()) {
      const answer = this.#answers.get(segment.feature);
      if (answer === undefined) continue;
      const { vectors, denominators } = shapes[i];
      answer.shards.push(
        await jsonShard(
          segment,
          {
            values: reply.floats(places.values[i], vectors * answer.dim),
            counts: reply.counts(places.counts[i], vectors),
            denominators: denominators ? reply.floats(places.denominators[i], vectors) : undefined,
          },
          slices,
        ),
      );
      // Exceptions are in the order of the keys.
      const end = firstKey + segment.positions.length;
      for (; exception < exceptions.length; exception++) {
        const place = exceptions[exception] & EXCEPTION_POSITION_MASK;
        if (place >= end) break;
        listOf(answer, exceptions[exception] >>> EXCEPTION_OUTCOME_SHIFT).push(
          segment.positions[place - firstKey],
        );
      }
      firstKey = end;
    }
  }

  /** The body of the answer, after all replies were added. */
  get features(): object {
    const entries = Array.from(this.#answers, ([{ name }, answer]) => {
      // Positions are in order within each shard only.
      for (const list of [answer.missing, answer.padded, answer.defaulted]) list.sort((a, b) => a - b);
      return [name, answer] as const;
    });
    return Object.fromEntries(entries);
  }
}

function listOf(answer: Outcomes, outcome: number): number[] {
  if (outcome === layout.OUTCOME_MISSING) return answer.missing;
  return outcome === layout.OUTCOME_PADDED ? answer.padded : answer.defaulted;
}

function shapeOf({ feature: { table, bags }, partial, positions }: JsonSegment): ReplyShape {
  return {
    vectors: table.mode === 'none' ? positions.length : bags.offsets.length - 1,
    vectorBytes: table.dim * 4,
    counts: true,
    denominators: partial && bags.weights !== undefined && divides(table.mode),
  };
}

interface Results {
  readonly values: Float32Array;
  readonly counts: Uint32Array;
  readonly denominators: Float32Array | undefined;
}

async function jsonShard(
  { feature, hosted, begin, end, partial, positions }: JsonSegment,
  { values, counts, denominators }: Results,
  slices: Slices,
): Promise<JsonShard> {
  const { table, bags } = feature;
  const vectors: JsonNumber[][] = [];
  for (let i = 0; i < counts.length; i++) {
    if (i % 64 === 0) await slices.pause();
    vectors.push(numbers(values.subarray(i * table.dim, (i + 1) * table.dim)));
  }
  const place = { shard: hosted.number, begin, end, partial };
  if (table.mode !== 'none')
    return {
      ...place,
      bags: vectors,
      counts: [...counts],
      ...(denominators && { denominators: numbers(denominators) }),
    };
  const absent = new Array<number>(table.dim).fill(0);
  const placed = new Array<JsonNumber[]>(bags.keys.length).fill(absent);
  const placedCounts = new Array<number>(bags.keys.length).fill(0);
  for (let i = 0; i < positions.length; i++) {
    placed[positions[i]] = vectors[i];
    placedCounts[positions[i]] = counts[i];
  }
  return { ...place, values: placed, counts: placedCounts };
}

function numbers(values: Float32Array): JsonNumber[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? value : (String(value) as JsonNumber)));
}
