// Answers frames while the rows of some shards are updated and replaced between slices. Every value says which update wrote it.
import fc from 'fast-check';
import { expect } from 'vitest';
import * as layout from '../../src/kernel/answer-layout.ts';
import { UPDATES_BYTES } from '../../src/kernel/answer-layout.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import { CHECKSUM_BYTES, INDEX_SCRATCH_BYTES, SCRATCH_BYTES } from '../../src/kernel/layout.ts';
import type { HostedShard } from '../../src/memory-node/hosting.ts';
import { ServedArena } from '../../src/memory-node/served-arena.ts';
import { noUpdates, UpdateRecord } from '../../src/memory-node/update-record.ts';
import type { AnswerMemory } from '../../src/memory-node/worker-arena.ts';
import { FreeList } from '../../src/store/free-list.ts';
import * as wire from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { checksumOf } from '../40.wire/checksum-oracle.ts';
import { readSequences } from '../40.wire/read-subrequest.ts';
import { frameOf } from '../40.wire/segments.ts';
import type { OutgoingSegment } from '../40.wire/write-subrequest.ts';

const rows = 64;
const pages = 3;
/** A value is its incarnation × this + the number of its update, after the first one. */
const numbersMax = 256;
const sealedValue = 7;
const u64Max = 2n ** 64n - 1n;

type Shards = readonly { readonly mode: 'none' | 'max'; readonly updated: boolean; readonly first: bigint }[];

interface Action {
  readonly what: 'nothing' | 'update' | 'reload' | 'serve';
  readonly shard: number;
}

export interface UpdatedCase {
  readonly shards: Shards;
  readonly segments: readonly {
    readonly shard: number;
    readonly fetch: boolean;
    readonly keys: readonly number[];
  }[];
  readonly version: number;
  readonly checksum: boolean;
  readonly sliceBytes: number;
  /** Before each slice, as long as there are some. */
  readonly actions: readonly (readonly Action[])[];
}

const action: fc.Arbitrary<Action> = fc.record({
  what: fc.constantFrom('nothing', 'update', 'update', 'update', 'update', 'reload', 'serve', 'serve'),
  shard: fc.nat({ max: 3 }),
});

export const updatedCases: fc.Arbitrary<UpdatedCase> = fc.record({
  shards: fc.array(
    fc.record({
      mode: fc.constantFrom('none', 'max'),
      updated: fc.boolean(),
      first: fc.oneof(
        fc.constantFrom(0n, 2n ** 32n - 3n, u64Max - BigInt(numbersMax)),
        fc.bigInt({ min: 0n, max: u64Max - BigInt(numbersMax) }),
      ),
    }),
    { minLength: 4, maxLength: 4 },
  ),
  segments: fc.array(
    fc.record({
      shard: fc.nat({ max: 3 }),
      fetch: fc.boolean(),
      // The last keys have no row.
      keys: fc.array(fc.nat({ max: rows + 3 }), { maxLength: 12, size: 'max' }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  version: fc.constantFrom(1, 2, 2, 2),
  checksum: fc.boolean(),
  sliceBytes: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 5_000 }) }, fc.constant(2 ** 20)),
  actions: fc.array(fc.array(action, { maxLength: 2 }), { maxLength: 30, size: 'max' }),
});

/** The rows of one shard, and what writes them. */
class UpdatedRows {
  readonly record: UpdateRecord | undefined;
  readonly #rows: Float32Array;
  readonly #first: bigint;
  incarnation = 1;
  #count = 0;

  constructor(rows: Float32Array, record: UpdateRecord | undefined, first: bigint) {
    this.#rows = rows;
    this.record = record;
    this.#first = first;
    if (record === undefined) rows.fill(sealedValue);
    else this.#serve();
  }

  #serve(): void {
    this.#rows.fill(this.incarnation * numbersMax + this.#count);
    this.record?.serve({ incarnation: this.incarnation, number: this.#first + BigInt(this.#count) });
  }

  do(what: Action['what']): void {
    if (this.record === undefined) return;
    if (what === 'update' && !this.record.isReloading && this.#count + 1 < numbersMax) {
      this.#count++;
      this.#serve();
    } else if (what === 'reload') {
      this.record.reload();
      this.#rows.fill(Number.NaN);
    } else if (what === 'serve' && this.record.isReloading) {
      this.incarnation++;
      this.#count = 0;
      this.#serve();
    }
  }

  /** What values with the sequence number of an update are at least. */
  valueOf(number: bigint): number {
    return this.incarnation * numbersMax + Number(number - this.#first);
  }
}

/** A memory with the rows of some shards, and everything that answers need. */
class UpdatedMemory {
  readonly served: ServedArena;
  readonly rows: readonly UpdatedRows[];
  readonly slots: FreeList;
  readonly bytes: Uint8Array;

  constructor(kernels: (memory: WebAssembly.Memory) => Kernels, shared: boolean, shards: Shards) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    const bytes = new Uint8Array(memory.buffer);
    const words = new Uint32Array(memory.buffer);
    const longs = new BigUint64Array(memory.buffer);
    const slots = new FreeList(64, pages * 65_536);
    const take = (size: number): number => slots.allocate(size) ?? 0;
    const hosted: HostedShard[] = [];
    const arena: AnswerMemory = {
      ...{ kernels: kernels(memory), bytes, words, slots },
      ...{ scratch: take(SCRATCH_BYTES), indexScratch: take(INDEX_SCRATCH_BYTES) },
      checksum: take(CHECKSUM_BYTES),
    };
    this.rows = shards.map(({ mode, updated, first }, number) => {
      const address = take(rows * 4);
      const record = updated ? new UpdateRecord({ words, longs }, take(UPDATES_BYTES)) : undefined;
      record?.serve({ incarnation: 0, number: 0n });
      hosted.push({
        ...{ number, version: 1, mode, missing: 'skip', padding: undefined, arena: 0, index: 0 },
        ...{ updates: record?.address ?? noUpdates, touch: false },
        rows: {
          ...{ address, rows, rowBase: 0, tableRows: rows, rowBytes: 4, dim: 1, dtype: 'f32' },
          ...{ finite: false, defaultRow: 0, last: true },
        },
      });
      return new UpdatedRows(new Float32Array(memory.buffer, address, rows), record, first);
    });
    this.slots = slots;
    this.bytes = bytes;
    const limits = { replyBytes: 2 ** 18, keysMax: 2 ** 20, bagsMax: 2 ** 20 };
    this.served = new ServedArena(arena, 0, { plan: 0n, ...limits, shards: hosted });
  }
}

export interface UpdatedOutcomes {
  answered: number;
  sequences: number;
  refused: number;
  continued: number;
}

/** Answers the frame of a case, and checks everything that the reply says. */
export function assertUpdated(
  of: UpdatedCase,
  { kernels, shared }: { kernels: (memory: WebAssembly.Memory) => Kernels; shared: boolean },
  seen: UpdatedOutcomes,
): void {
  const checksum = of.checksum && of.version > 1;
  const segments = of.segments.map(({ shard, fetch, keys }): OutgoingSegment => {
    const offsets = Uint32Array.from({ length: keys.length + 1 }, (_, i) => i);
    const pooled = of.shards[shard].mode === 'max' && !fetch;
    return {
      ...{ shard, version: 1, keys: Uint32Array.from(keys), wide: false, weights: undefined },
      ...{ offsets: pooled && keys.length > 0 ? offsets : undefined, partial: false, missing: undefined },
      fetch: fetch || (pooled && keys.length === 0),
    };
  });
  const head = { id: 5, version: of.version, checksum, plan: 0n, timeLeftUs: 0, replyCredits: 1 };
  const frame = new Uint8Array(frameOf(head, segments).buffer);
  const memory = new UpdatedMemory(kernels, shared, of.shards);
  const { served, slots, bytes } = memory;
  const address = slots.allocate(frame.length) ?? 0;
  bytes.set(frame, address);
  expect(served.open(address, frame.length)).toBeUndefined();
  // Whatever a slot held before must not be sent.
  const room = slots.allocate(slots.largest) ?? 0;
  bytes.fill(0xab, room);
  slots.free(room, bytes.length - room);
  const answer = served.answer();
  if (answer === undefined) throw new RangeError('there is no slot for the answer');
  const begun: number[] = [];
  const progress = (): { segment: number; open: boolean } => {
    return {
      segment: answer.at(layout.ANSWER_SEGMENT),
      open: answer.at(layout.ANSWER_STAGE) !== layout.STAGE_BEGIN,
    };
  };
  for (let step = 0; ; step++) {
    for (const { what, shard } of of.actions[step] ?? []) memory.rows[shard].do(what);
    const rowsOf = (segment: number): UpdatedRows => memory.rows[segments[segment].shard];
    const before = progress();
    const replaced =
      before.open &&
      (rowsOf(before.segment).record?.isReloading === true ||
        rowsOf(before.segment).incarnation !== begun[before.segment]);
    const outcome = answer.step(of.sliceBytes);
    const after = progress();
    for (let i = before.segment + Number(before.open); i < after.segment + Number(after.open); i++) {
      expect(rowsOf(i).record?.isReloading ?? false, 'a segment began while its rows were replaced').toBe(
        false,
      );
      begun[i] = rowsOf(i).incarnation;
    }
    if (typeof outcome === 'object') {
      expect(outcome).toMatchObject({ code: 'UNAVAILABLE', segment: after.segment });
      if (!replaced) expect(rowsOf(after.segment).record?.isReloading).toBe(true);
      seen.refused++;
      seen.continued += Number(replaced);
      return;
    }
    expect(replaced, 'a segment went on although its rows were replaced').toBe(false);
    if (outcome) break;
  }
  const load = { requestCredits: 1, replyCredits: 1, queued: 0, busyUs: 0 };
  const reply = Uint8Array.from(answer.reply(load));
  seen.answered++;
  seen.sequences += Number(readSequences(reply, segments.length) !== undefined);
  assertReply(reply, of, segments, memory.rows);
}

function assertReply(
  bytes: Uint8Array,
  of: UpdatedCase,
  segments: readonly OutgoingSegment[],
  written: readonly UpdatedRows[],
): void {
  const reply = new Reply(bytes);
  const keys = segments.reduce((sum, segment) => sum + segment.keys.length, 0);
  const pooled = segments.reduce((sum, segment) => sum + (segment.fetch ? 0 : segment.keys.length), 0);
  reply.checkLength(wire.HEADER_BYTES + (keys + pooled) * 4, segments.length, keys);
  const updates = of.version > 1 && segments.some(({ shard }) => of.shards[shard].updated);
  expect(reply.identity).toEqual({ id: 5, version: of.version, checksum: of.checksum && of.version > 1 });
  if (of.checksum && of.version > 1) expect(reply.checksum).toBe(checksumOf(bytes));
  const sequences = readSequences(bytes, segments.length);
  expect(sequences !== undefined).toBe(updates);
  const missing = segments.flatMap((segment) => Array.from(segment.keys, (key) => key >= rows));
  const positions = Array.from(reply.exceptions, (exception) => exception & wire.EXCEPTION_POSITION_MASK);
  expect(positions).toEqual(missing.flatMap((isMissing, i) => (isMissing ? [i] : [])));
  const values = reply.floats(wire.HEADER_BYTES, keys);
  let at = 0;
  for (const [i, segment] of segments.entries()) {
    const own = written[segment.shard];
    const held = Array.from(segment.keys, (_, k) => at + k).filter((k) => !missing[k]);
    const found = held.map((k) => values[k]);
    at += segment.keys.length;
    if (own.record === undefined) {
      expect(found.filter((value) => value !== sealedValue)).toEqual([]);
      if (sequences) expect(sequences[i]).toEqual({ incarnation: 0, number: 0n });
      continue;
    }
    const incarnations = new Set(found.map((value) => Math.floor(value / numbersMax)));
    expect(incarnations.size, 'rows of two incarnations').toBeLessThan(2);
    if (sequences === undefined) continue;
    const { incarnation, number } = sequences[i];
    if (found.length > 0) expect([...incarnations]).toEqual([incarnation]);
    if (incarnation !== own.incarnation) continue;
    const least = own.valueOf(number);
    for (const value of found) expect(value).toBeGreaterThanOrEqual(least);
    // The first row is read in the slice in which the segment begins.
    if (held[0] === at - segment.keys.length && found.length > 0) expect(found[0]).toBe(least);
  }
}
