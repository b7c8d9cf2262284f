// What `ask` does, in plain TypeScript: which bags are sent, where they are cut, which rows are fetched, and which frame
// of which node carries each segment. The frames of the kernel must have exactly these bytes.
import type { MissingPolicy } from '../../src/kernel/call.ts';
import { divides } from '../../src/kernel/pooling-mode.ts';
import * as reference from '../../src/kernel/reference.ts';
import type { AskOptions } from '../../src/lookup/asked.ts';
import type { LookupTable } from '../../src/lookup/lookup-table.ts';
import type { NodeState } from '../../src/lookup/plan-memory.ts';
import { HEADER_BYTES } from '../../src/wire/layout.ts';
import { type OutgoingSegment, segmentBytes } from '../40.wire/write-subrequest.ts';

/** One feature: keys as u64, bags as lists of positions of their keys. */
export interface AskedFeature {
  readonly table: LookupTable;
  readonly keys: readonly bigint[];
  readonly bags: readonly (readonly number[])[];
  readonly weights: Float32Array | undefined;
  /** Whether its caller said which bag each result is of. */
  readonly inverse: boolean;
}

/** The segments of one subrequest. */
export interface ReferenceFrame {
  readonly node: number;
  readonly reads: boolean;
  readonly segments: OutgoingSegment[];
}

/** Why a lookup is refused. */
export interface Refusal {
  readonly code: string;
  readonly feature: number;
  readonly position?: number;
}

/** @throws nothing: a refusal is returned */
export function referenceAsk(
  features: readonly AskedFeature[],
  nodes: readonly NodeState[],
  options: AskOptions,
): ReferenceFrame[] | Refusal {
  const routed: { node: number; table: LookupTable; segment: OutgoingSegment; feature: number }[] = [];
  for (const [i, feature] of features.entries()) {
    const { spec, indexed } = feature.table;
    const policy = options.onMissing ?? spec.missing ?? 'error';
    if (policy === 'default' && spec.defaultRow === undefined) return { code: 'INVALID_OPTION', feature: i };
    const bound = policy === 'error' ? BigInt(spec.rows) : 2n ** 32n;
    const bad = feature.keys.findIndex(
      (key) => !indexed && key >= bound && !(isPadding(feature, key) && key < 2n ** 32n),
    );
    if (bad >= 0) return { code: 'INVALID_KEY', feature: i, position: bad };
    for (const { shard, segment } of segmentsOf(feature, policy, options))
      routed.push({ node: feature.table.shards[shard].node, table: feature.table, segment, feature: i });
  }
  const frames: ReferenceFrame[] = [];
  for (const { node, table, segment, feature } of routed) {
    const { limits, readsRows } = nodes[node];
    const alone = sizesOf([segment], table);
    if (!fits(alone, limits)) return { code: 'LIMIT_EXCEEDED', feature };
    const reads = readsRows && isReadable(segment, table);
    const last = frames.findLast((frame) => frame.node === node && frame.reads === reads);
    const sizes = last && sums.get(last);
    const both = sizes && add(sizes, alone);
    const full = options.splitKeys > 0 && both !== undefined && both.keys > options.splitKeys;
    if (last && both && !full && fits(both, limits)) {
      last.segments.push(segment);
      sums.set(last, both);
    } else {
      const frame = { node, reads, segments: [segment] };
      frames.push(frame);
      sums.set(frame, alone);
    }
  }
  return frames;
}

interface Sizes {
  readonly bytes: number;
  readonly replyBytes: number;
  readonly keys: number;
}

const sums = new WeakMap<ReferenceFrame, Sizes>();

function add(one: Sizes, other: Sizes): Sizes {
  return {
    bytes: one.bytes + other.bytes - HEADER_BYTES,
    replyBytes: one.replyBytes + other.replyBytes - HEADER_BYTES,
    keys: one.keys + other.keys,
  };
}

/** Bytes of a frame and of the longest reply to it, and its keys. */
function sizesOf([segment]: readonly OutgoingSegment[], table: LookupTable): Sizes {
  const keys = segment.keys.length / (segment.wide ? 2 : 1);
  const vectors = segment.fetch ? keys : segment.offsets ? segment.offsets.length - 1 : keys;
  const values = Math.ceil((vectors * (segment.fetch ? table.rowBytes : table.spec.dim * 4)) / 4) * 4;
  const counts = segment.fetch ? 0 : vectors * 4;
  const denominators = hasDenominators(segment, table) ? vectors * 4 : 0;
  return {
    bytes: HEADER_BYTES + segmentBytes(segment),
    replyBytes: HEADER_BYTES + values + counts + denominators + keys * 4,
    keys,
  };
}

function hasDenominators({ partial, weights }: OutgoingSegment, { spec }: LookupTable): boolean {
  return partial && weights !== undefined && divides(spec.mode);
}

function fits({ bytes, replyBytes, keys }: Sizes, limits: NodeState['limits']): boolean {
  return bytes <= limits.subrequestBytes && replyBytes <= limits.replyBytes && keys <= limits.subrequestKeys;
}

function isReadable({ fetch, wide, keys }: OutgoingSegment, { spec, padding }: LookupTable): boolean {
  return fetch && !wide && keys.every((key) => key < spec.rows && BigInt(key) !== padding);
}

function isPadding({ table }: AskedFeature, key: bigint): boolean {
  return key === table.padding;
}

/** The bags that are sent: without padding keys, and without bags that repeat an earlier one. */
function sentBags(feature: AskedFeature, deduplicates: boolean): readonly (readonly number[])[] {
  const { table, keys, bags, weights, inverse } = feature;
  if (table.spec.mode === 'none') return keys.map((_, i) => [i]);
  const dense = bags.map((bag) => bag.filter((i) => !isPadding(feature, keys[i])));
  if (inverse || !deduplicates || bags.length < 2) return dense;
  const flat = dense.flat();
  const offsets = Uint32Array.of(0, ...dense.map((_, bag) => dense.slice(0, bag + 1).flat().length));
  const sentKeys = BigUint64Array.from(flat, (i) => keys[i]);
  const sentWeights = weights && Float32Array.from(flat, (i) => weights[i]);
  return Array.from(reference.distinctBags(sentKeys, offsets, sentWeights).bags, (bag) => dense[bag]);
}

/** The shard of a key, as its place among the shards of the table. */
export function shardOf({ indexed, shards }: LookupTable, key: bigint): number {
  return reference.shardOf(
    key,
    Uint32Array.from(shards, ({ last }) => last),
    indexed,
  );
}

function segmentsOf(
  feature: AskedFeature,
  policy: MissingPolicy,
  { pushDown, deduplicateBags, splitKeys }: AskOptions,
): { shard: number; segment: OutgoingSegment }[] {
  const { table, keys, weights } = feature;
  const { spec, indexed, version, shards } = table;
  const [bags, whole, pooled] = [
    sentBags(feature, deduplicateBags),
    shards.length === 1,
    spec.mode !== 'none',
  ];
  if (bags.length === 0) return [];
  const divided = whole && splitKeys > 0 && bags.flat().length > splitKeys;
  return shards.flatMap(({ number }, shard) => {
    const cut = bags.map((bag) => bag.filter((i) => whole || shardOf(table, keys[i]) === shard));
    const held = whole ? cut : cut.filter(({ length }) => length > 0);
    return (divided ? partsOf(held, splitKeys) : [held]).flatMap((own) => {
      if (own.length === 0) return [];
      const positions = own.flat();
      const offsets = Uint32Array.of(0, ...own.map((_, bag) => own.slice(0, bag + 1).flat().length));
      const weighted = weights && Float32Array.from(positions, (i) => weights[i]);
      const wordsOf = (list: readonly bigint[]): Uint32Array =>
        indexed ? new Uint32Array(BigUint64Array.from(list).buffer) : Uint32Array.from(list, Number);
      const pushed: OutgoingSegment = {
        ...{ shard: number, version, wide: indexed, partial: !whole || divided, fetch: false },
        missing: policy === (spec.missing ?? 'error') ? undefined : policy,
        keys: wordsOf(positions.map((i) => keys[i])),
        offsets: pooled ? offsets : undefined,
        weights: weighted,
      };
      const unique = [...new Set(positions.map((i) => keys[i]))];
      const each = spec.dim * 4 + (hasDenominators(pushed, table) ? 8 : 4);
      const results = pooled ? own.length : positions.length;
      const worthIt = reference.fetchesRows(unique.length, table.rowBytes, results, each);
      const fetches = pushDown === 'auto' ? worthIt : pushDown === 'never' && positions.length > 0;
      const fetched = { ...pushed, partial: false, fetch: true, offsets: undefined, weights: undefined };
      return [{ shard, segment: fetches ? { ...fetched, keys: wordsOf(unique) } : pushed }];
    });
  });
}

/** Bags, in order, in groups of at least so many keys. */
function partsOf(bags: readonly (readonly number[])[], splitKeys: number): (readonly number[])[][] {
  const parts: (readonly number[])[][] = [];
  for (const bag of bags) {
    const last = parts.at(-1);
    if (last !== undefined && last.flat().length < splitKeys) last.push(bag);
    else parts.push([bag]);
  }
  return parts;
}
