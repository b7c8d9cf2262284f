// Draws lookups for `ask` and `mergeReplies`, runs them in a poisoned memory, and answers their frames with a model of
// a node that uses the reference.
import fc from 'fast-check';
import { expect } from 'vitest';
import * as layout from '../../src/kernel/ask-layout.ts';
import type { MissingPolicy } from '../../src/kernel/call.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import { DONE, MORE } from '../../src/kernel/layout.ts';
import { instantiate } from '../../src/kernel/wasm.ts';
import { AskedLookup, type PushDown } from '../../src/lookup/asked.ts';
import { BagReader } from '../../src/lookup/bag-reader.ts';
import type { LookupMemory } from '../../src/lookup/lookup-memory.ts';
import { LookupTable } from '../../src/lookup/lookup-table.ts';
import { ReplyMerge } from '../../src/lookup/merged.ts';
import { type NodeState, PlanMemory } from '../../src/lookup/plan-memory.ts';
import { PooledLookup } from '../../src/lookup/pooled.ts';
import type { Bags, KeyedBags } from '../../src/plan/bags.ts';
import type { TableMode } from '../../src/plan/table-spec.ts';
import { BufferPool } from '../../src/store/buffer-pool.ts';
import { FreeList } from '../../src/store/free-list.ts';
import { wireVersion } from '../../src/wire/layout.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { bitsOf, expectedPooled, type Found } from '../30.plan/expected.ts';
import { subrequestBytes, writeSubrequest } from '../40.wire/write-subrequest.ts';
import { expectBits } from '../bits.ts';
import {
  type AskedFeature,
  type ReferenceFrame,
  type Refusal,
  referenceAsk,
  shardOf,
} from './ask-reference.ts';
import { replyOf } from './model-node.ts';

const feature = fc.record({
  mode: fc.constantFrom<TableMode>('sum', 'mean', 'sqrtn', 'max', 'none'),
  dim: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(64)),
  rows: fc.integer({ min: 1, max: 30 }),
  indexed: fc.boolean(),
  padded: fc.boolean(),
  missing: fc.constantFrom<MissingPolicy>('error', 'skip', 'default'),
  hasDefault: fc.boolean(),
  /** The node of each shard. */
  shards: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 5 }),
  lengths: fc.array(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 9 })), { maxLength: 45 }),
  /** From how many keys bags are drawn: with few, bags repeat. */
  range: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 })),
  absent: fc.boolean(),
  weighted: fc.boolean(),
  inverse: fc.option(fc.array(fc.nat(), { maxLength: 9 }), { nil: undefined, freq: 1 }),
  wideKeys: fc.boolean(),
  counts: fc.constantFrom('u32', 'i32', 'u64', 'lengths', 'long lengths', 'numbers'),
});

export const askCases = fc.record({
  seed: fc.nat(),
  features: fc.array(feature, { maxLength: 4 }),
  onMissing: fc.constantFrom<MissingPolicy | undefined>(undefined, undefined, 'error', 'skip', 'default'),
  pushDown: fc.constantFrom<PushDown>('auto', 'always', 'never'),
  deduplicateBags: fc.constantFrom(true, true, true, false),
  /** Only lookups in one process divide tables. Their rows are never fetched. */
  splitKeys: fc.constantFrom(0, 0, 0, 7),
  readsRows: fc.boolean(),
  /** Most bytes of a frame. */
  frameBytes: fc.constantFrom(350, 600, 900, 2 ** 20),
  budget: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(16_384)),
});
export type AskCase = typeof askCases extends fc.Arbitrary<infer T> ? T : never;
type FeatureCase = AskCase['features'][number];

/** A drawn table with its rows, and the bags of one feature. */
interface Drawn {
  readonly table: LookupTable;
  readonly rows: readonly Float32Array[];
  readonly ids: readonly bigint[];
  readonly defaultRow: Float32Array;
  readonly bags: Bags;
  readonly asked: AskedFeature;
}

function drawFeature(of: FeatureCase, place: number, first: number, random: () => number): Drawn {
  const pick = (n: number): number => Math.floor(random() * n);
  const number = (): number => Math.fround(random() < 0.1 ? -0 : random() - 0.5);
  const vector = (): Float32Array => Float32Array.from({ length: of.dim }, number);
  const rows = Array.from({ length: of.rows }, vector);
  const ids = rows.map((_, row) =>
    of.indexed ? BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n) : BigInt(row),
  );
  const end = of.indexed ? 2 ** 32 : of.rows;
  const cuts = [...new Set(of.shards.slice(1).map(() => 1 + pick(end - 1)))].sort((a, b) => a - b);
  const ends = [...cuts.filter((cut) => cut < end), end];
  const shards = ends.map((stop, i) => ({ last: stop - 1, number: first + i, node: of.shards[i] }));
  const padding = of.padded ? ids[pick(of.rows)] : undefined;
  const spec = {
    ...{ name: `t${place}`, rows: of.rows, dim: of.dim, mode: of.mode, missing: of.missing, padding },
    defaultRow: of.hasDefault || of.missing === 'default' ? [0] : undefined,
  };
  const table = new LookupTable(place, { spec, version: 1 + place, indexed: of.indexed }, shards);
  const total = of.lengths.reduce((sum, length) => sum + length, 0);
  const keys = Array.from({ length: total }, () => {
    // Row numbers after the last row, or ids that no row has.
    if (of.absent && random() < 0.2) return BigInt(of.rows + pick(3));
    return ids[pick(Math.min(of.range, of.rows))];
  });
  let next = 0;
  const bags = of.lengths.map((length) => Array.from({ length }, () => next++));
  const weighted = of.weighted && of.mode !== 'max' && of.mode !== 'none';
  const weights = weighted ? Float32Array.from(keys, () => pick(4) / 2) : undefined;
  const inverse =
    of.inverse !== undefined && of.mode !== 'none' && bags.length > 0
      ? of.inverse.map((bag) => bag % bags.length)
      : undefined;
  const offsets = [0, ...bags.map((_, bag) => bags.slice(0, bag + 1).flat().length)];
  const given: Bags = {
    table: `t${place}`,
    keys: of.indexed || of.wideKeys ? BigUint64Array.from(keys) : Uint32Array.from(keys, Number),
    weights,
    inverse,
    ...countsOf(of, offsets),
  };
  const asked = { table, keys, bags, weights, inverse: inverse !== undefined };
  return { table, rows, ids, defaultRow: vector(), bags: given, asked };
}

function countsOf({ counts, lengths }: FeatureCase, offsets: readonly number[]): Partial<Bags> {
  switch (counts) {
    case 'u32':
      return { offsets: Uint32Array.from(offsets), includeLastOffset: true };
    case 'i32':
      return { offsets: Int32Array.from(offsets.slice(0, -1)) };
    case 'u64':
      return { offsets: BigUint64Array.from(offsets, BigInt), includeLastOffset: true };
    case 'lengths':
      return { lengths: Uint32Array.from(lengths) };
    case 'long lengths':
      return { lengths: BigInt64Array.from(lengths, BigInt) };
    default:
      return { offsets: offsets.slice(0, -1) };
  }
}

/** Kernels over a memory, which all cases use one after the other: to make a memory takes longer than a case. */
export class AskMemory implements LookupMemory {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly longs: BigUint64Array;
  slots: FreeList = new FreeList(0, 0);

  constructor(module: WebAssembly.Module) {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16 });
    this.kernels = instantiate(module, memory);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.longs = new BigUint64Array(memory.buffer);
  }

  /** Fills everything with poison. */
  poison(seed: number): void {
    this.bytes.fill(seed & 1 ? 0xff : 0xa5);
    this.slots = new FreeList(64 + (seed % 7) * 64, this.bytes.length);
  }
}

/** Fails if a byte outside of some ranges has changed since `before`. */
function expectNoStray(
  memory: LookupMemory,
  before: Uint8Array,
  ranges: readonly (readonly [number, number])[],
): void {
  let from = 0;
  for (const [begin, length] of [...ranges].sort(([a], [b]) => a - b).concat([[before.length, 0]])) {
    expect(Buffer.compare(memory.bytes.subarray(from, begin), before.subarray(from, begin))).toBe(0);
    from = begin + length;
  }
}

/** What happened, so that a test can see that it covers everything. */
export type Seen = Record<
  'refused' | 'repeated' | 'fetched' | 'cut' | 'divided' | 'frames' | 'exceptions' | 'viewed',
  number
>;

/** Asserts that a lookup is prepared and merged as the reference says. */
export function assertAsks(of: AskCase, memory: AskMemory, seen?: Seen): void {
  const random = randomOf(of.seed);
  let shards = 0;
  const drawn = of.features.map((each, i) => {
    const made = drawFeature(each, i, shards, random);
    shards += made.table.shards.length;
    return made;
  });
  memory.poison(of.seed);
  const most = of.frameBytes;
  const node = (): NodeState => ({
    limits: { subrequestBytes: most, replyBytes: 8 * most, subrequestKeys: most >>> 2 },
    readsRows: of.readsRows && random() < 0.5,
  });
  const nodes = [node(), node(), node()];
  const plan = PlanMemory.write(memory, { tables: drawn.map(({ table }) => table), nodes: ['a', 'b', 'c'] });
  if (plan === undefined) throw new RangeError('no space for the plan');
  nodes.forEach((state, i) => {
    plan.setNode(i, state);
  });
  const reader = new BagReader();
  const bags: KeyedBags = Object.fromEntries(drawn.map(({ bags: own }, i) => [`f${i}`, own]));
  const { onMissing, pushDown, deduplicateBags } = of;
  const splitKeys = pushDown === 'always' ? of.splitKeys : 0;
  const options = { onMissing, pushDown, deduplicateBags, splitKeys };
  const tableOf = (name: string): LookupTable => drawn[Number(name.slice(1))].table;
  reader.read(bags, tableOf);
  const room = AskedLookup.room(reader, options, 3);
  const block = memory.slots.allocate(room.bytes);
  if (block === undefined) throw new RangeError('no space for the lookup');
  const before = memory.bytes.slice();
  const asked = new AskedLookup(plan, reader, options, block, room);
  asked.open(bags, tableOf);
  const wanted = referenceAsk(
    drawn.map((each) => each.asked),
    nodes,
    options,
  );
  const status = run(() => memory.kernels.ask(block, of.budget));
  expectNoStray(memory, before, [[block, room.bytes]]);
  if (!Array.isArray(wanted)) {
    expect(refusalOf(asked, status)).toEqual(wanted);
    if (seen) seen.refused++;
    return;
  }
  expect(status).toBe(DONE);
  const frames = Array.from({ length: asked.frames }, (_, i) => frameOf(asked, i));
  expectEqual(frames, wanted.map(expectedFrame));
  const policies = drawn.map(({ table }) => of.onMissing ?? table.spec.missing ?? 'error');
  // A node refuses ids without a row. What a ranker does with that is not a matter of the kernels.
  if (drawn.some((each, i) => policies[i] === 'error' && each.asked.keys.some((key) => isAbsent(each, key))))
    return;
  const replies = frames.map(({ words }) => replyOf(words, drawn));
  const merge = new ReplyMerge(asked, replies, (_, bytes) => {
    const address = memory.slots.allocate(bytes);
    if (address === undefined) throw new RangeError('no space for the merge');
    return { memory, address, free: () => memory.slots.free(address, bytes) };
  });
  expect(run(() => memory.kernels.mergeReplies(block, of.budget))).toBe(DONE);
  const pool = new BufferPool();
  const lookup = new PooledLookup(asked.names, { results: merge.results(pool), pool }, replies);
  const got = Array.from(lookup.values(), (pooled) => bitsOf(pooled));
  expectBits(
    got,
    drawn.map((each, i) => bitsOf(expectedOf(each, policies[i]))),
  );
  if (seen === undefined) return;
  seen.repeated += Number(asked.repeated > 0);
  seen.divided += Number(splitKeys > 0 && asked.segments > drawn.length);
  seen.fetched += Number(asked.fetched > 0);
  seen.cut += Number(drawn.some(({ table }) => table.shards.length > 1));
  seen.frames += Number(frames.length > 1);
  seen.exceptions += Number(replies.some(({ exceptionCount }) => exceptionCount > 0));
  seen.viewed += Number(replies.some(({ viewed }) => viewed));
}

/** Compares bytes first, because toEqual is slow for large arrays. */
function expectEqual(got: readonly SentFrame[], wanted: readonly SentFrame[]): void {
  const same = got.every(({ node, reads, words }, i) => {
    const other = wanted[i];
    if (node !== other?.node || reads !== other.reads) return false;
    return Buffer.compare(new Uint8Array(words.buffer), new Uint8Array(other.words.buffer)) === 0;
  });
  if (!same || got.length !== wanted.length) expect(got).toEqual(wanted);
}

/** More calls than any case takes with the smallest budget. */
const callsMax = 100_000;

/** Calls a kernel until it is done. */
function run(call: () => number): number {
  for (let calls = 0; calls < callsMax; calls++) {
    const status = call();
    if (status !== MORE) return status;
  }
  throw new RangeError(`the kernel is not done after ${callsMax} calls`);
}

function refusalOf(asked: AskedLookup, status: number): Refusal {
  const feature = asked.at(layout.ASK_ERROR_FEATURE);
  if (status === layout.BAD_POLICY) return { code: 'INVALID_OPTION', feature };
  if (status === layout.TOO_LARGE) return { code: 'LIMIT_EXCEEDED', feature };
  return { code: 'INVALID_KEY', feature, position: asked.at(layout.ASK_ERROR_POSITION) };
}

interface SentFrame {
  readonly node: number;
  readonly reads: boolean;
  readonly words: Uint32Array;
}

function frameOf(asked: AskedLookup, i: number): SentFrame {
  const { words } = asked.memory;
  const record = asked.frame(i) >>> 2;
  const at = words[record + (layout.SENT_ADDRESS >>> 2)] >>> 2;
  const length = words[record + (layout.SENT_BYTES >>> 2)] >>> 2;
  return {
    node: words[record + (layout.SENT_NODE >>> 2)],
    reads: words[record + (layout.SENT_READS >>> 2)] === 1,
    words: words.slice(at, at + length),
  };
}

/** The frame that the reference gives, before it is sent. */
function expectedFrame({ node, reads, segments }: ReferenceFrame): SentFrame {
  const bytes = subrequestBytes(segments);
  const words = new Uint32Array(bytes >>> 2);
  const head = { id: 0, version: wireVersion, checksum: false, plan: 0n, timeLeftUs: 0, replyCredits: 0 };
  writeSubrequest(words, 0, head, bytes, segments);
  words[1] = 0;
  return { node, reads, words };
}

function isAbsent({ ids, table }: Drawn, key: bigint): boolean {
  return key !== table.padding && !ids.includes(key);
}

function expectedOf(
  { table, rows, ids, defaultRow, asked, bags }: Drawn,
  missing: MissingPolicy,
): ReturnType<typeof pooledOf> {
  const found = asked.keys.map((key): Found => {
    if (key === table.padding) return 'padded';
    const row = ids.indexOf(key);
    return row < 0 ? 'missing' : row;
  });
  const shards = asked.keys.map((key) => shardOf(table, key));
  const { mode, dim } = table.spec;
  const ends = table.shards.map((_, i) => i);
  const model = { mode, dim, rows, missing, defaultRow, ends };
  const offsets = [0, ...asked.bags.map((_, bag) => asked.bags.slice(0, bag + 1).flat().length)];
  return pooledOf(
    expectedPooled(model, { found, offsets, weights: asked.weights, shards }),
    bags.inverse as number[],
  );
}

/** Repeats the results of bags. */
function pooledOf(
  pooled: ReturnType<typeof expectedPooled>,
  inverse: readonly number[] | undefined,
): Exclude<typeof pooled, number> {
  if (typeof pooled === 'number') throw new RangeError(`key ${pooled} is refused`);
  if (inverse === undefined) return pooled;
  const { dim, values, counts } = pooled;
  const repeated = inverse.map((bag) => values.slice(bag * dim, (bag + 1) * dim));
  return {
    ...pooled,
    values: Float32Array.from(repeated.flatMap((vector) => [...vector])),
    counts: Uint32Array.from(inverse, (bag) => counts[bag]),
  };
}
