// Writes the results of a lookup as JSON. Floats that JSON cannot express (NaN, Infinity) become strings.

import * as layout from '../kernel/ask-layout.ts';
import { divides } from '../kernel/pooling-mode.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import type { Lookup } from '../lookup/pooled.ts';
import { FLAG_PARTIAL } from '../wire/layout.ts';
import type { Reply } from '../wire/reply.ts';
import type { Slices } from '../wire/slices.ts';
import type { OwnShard, OwnTables } from './own-tables.ts';

type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

/** The results of one shard. */
interface JsonShard extends OwnShard {
  readonly shard: number;
  /** Whether other shards hold the rest of the table. The results must then be merged with theirs and divided. */
  readonly partial: boolean;
  /** One vector per bag. Tables of mode `none` have `values` instead, one vector per key. */
  readonly bags?: JsonNumber[][];
  readonly values?: JsonNumber[][];
  readonly counts: number[];
  readonly denominators?: JsonNumber[];
}

/** The answer of one feature. */
interface JsonAnswer {
  readonly dim: number;
  readonly shards: JsonShard[];
  /** Positions of the keys that were not simply pooled. */
  readonly missing: number[];
  readonly padded: number[];
  readonly defaulted: number[];
}

/** A lookup and what this node answered: replies by frame, none to frames of other nodes. */
export interface AnsweredLookup {
  readonly asked: AskedLookup;
  readonly replies: readonly (Reply | undefined)[];
  readonly merged: Lookup;
  readonly tables: OwnTables;
}

/** The body of the answer: results of every bag, by feature and shard. */
export async function jsonAnswer(lookup: AnsweredLookup, slices: Slices): Promise<object> {
  const features: [string, JsonAnswer][] = [];
  for (const [name, { dim, missing, padded, defaulted }] of lookup.merged) {
    const shards = await shardsOf(lookup, features.length, slices);
    const positions = { missing: [...missing], padded: [...padded], defaulted: [...defaulted] };
    features.push([name, { dim, shards, ...positions }]);
  }
  return { features: Object.fromEntries(features) };
}

/** The results of one feature, in the order of the shards. */
async function shardsOf(
  { asked, replies, tables }: AnsweredLookup,
  feature: number,
  slices: Slices,
): Promise<JsonShard[]> {
  const first = asked.feature(feature, layout.FEATURE_SEGMENT);
  const count = asked.feature(feature, layout.FEATURE_SEGMENTS);
  const [whole, ...others] = asked.tables[feature].shards;
  // Nothing is asked of a whole table if there are no bags.
  if (count === 0 && others.length === 0) return [emptyShard(asked, feature, whole.number, tables)];
  const answered: JsonShard[] = [];
  for (let segment = first; segment < first + count; segment++) {
    const reply = replies[asked.frameOf(segment)];
    if (reply) answered.push(await shardOf(asked, segment, reply, tables, slices));
  }
  return answered;
}

function emptyShard(asked: AskedLookup, feature: number, shard: number, tables: OwnTables): JsonShard {
  const results = asked.tables[feature].spec.mode === 'none' ? { values: [] } : { bags: [] };
  return { shard, ...rangeOf(tables, shard), partial: false, ...results, counts: [] };
}

function rangeOf(tables: OwnTables, shard: number): OwnShard {
  const { begin = 0, end = 0 } = tables.shard(shard) ?? {};
  return { begin, end };
}

/** Number of results in the answer of a segment: one per bag, or one per key. */
export function listedOf(asked: AskedLookup, segment: number): number {
  const feature = asked.segment(segment, layout.ASKED_FEATURE);
  const isNone = asked.tableOf(segment).spec.mode === 'none';
  return asked.feature(feature, isNone ? layout.FEATURE_KEYS_GIVEN : layout.FEATURE_BAGS);
}

/** A segment has results only for bags that have keys in it. The results of the others are 0. */
async function shardOf(
  asked: AskedLookup,
  segment: number,
  reply: Reply,
  tables: OwnTables,
  slices: Slices,
): Promise<JsonShard> {
  const { dim, mode } = asked.tableOf(segment).spec;
  const [shard, numbers] = [asked.shardOf(segment), asked.bagsOf(segment)];
  const at = (field: number): number => asked.segment(segment, field);
  const values = reply.floats(at(layout.ASKED_VALUES_AT), numbers.length * dim);
  const counts = reply.counts(at(layout.ASKED_COUNTS_AT), numbers.length);
  const partial = (at(layout.ASKED_FLAGS) & FLAG_PARTIAL) !== 0;
  const weighted = asked.feature(at(layout.ASKED_FEATURE), layout.FEATURE_WEIGHTS) !== 0;
  const listed = listedOf(asked, segment);
  const vectors = new Array<JsonNumber[]>(listed).fill(new Array<number>(dim).fill(0));
  for (let i = 0; i < numbers.length; i++) {
    if (i % 64 === 0) await slices.pause();
    vectors[numbers[i]] = jsonNumbers(values.subarray(i * dim, (i + 1) * dim));
  }
  const placed = <T>(all: ArrayLike<T>, none: T): T[] => {
    const list = new Array<T>(listed).fill(none);
    for (let i = 0; i < numbers.length; i++) list[numbers[i]] = all[i];
    return list;
  };
  const denominators =
    partial && weighted && divides(mode)
      ? jsonNumbers(reply.floats(at(layout.ASKED_DENOMINATORS_AT), numbers.length))
      : undefined;
  return {
    shard,
    ...rangeOf(tables, shard),
    partial,
    ...(mode === 'none' ? { values: vectors } : { bags: vectors }),
    counts: placed(counts, 0),
    ...(denominators && { denominators: placed<JsonNumber>(denominators, 0) }),
  };
}

function jsonNumbers(values: Float32Array): JsonNumber[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? value : (String(value) as JsonNumber)));
}
