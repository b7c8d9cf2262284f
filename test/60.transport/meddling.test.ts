// Changes frames in transit, over every transport with sockets. Lookups give a right result, or a typed error in time.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError, type Lookup } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { FRAME_BYTES, HEADER_BYTES } from '../../src/wire/layout.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { contenders } from './contenders.ts';
import { Meddler } from './meddler.ts';
import { someBags, tables } from './rig.ts';

const deadlineMs = 300;
const meddlers: Meddler[] = [];
let cluster: Cluster;
/** The results of lookups without changes, by seed. */
const right: Lookup[] = [];
const seeds = 50;

beforeAll(async () => {
  const wrap = (handler: ConstructorParameters<typeof Meddler>[0]): Meddler => {
    const meddler = new Meddler(handler);
    meddlers.push(meddler);
    return meddler;
  };
  cluster = await Cluster.start({ tables, nodes: 2, split: 'row', wrap });
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  for (let seed = 0; seed < seeds; seed++) right.push(await ranker.lookup(someBags(seed)));
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

const kind = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
/** Changes after which frames still have the length in their header, so that no reader waits for more bytes. */
const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind('bit'), at: fc.nat(), bit: fc.nat({ max: 7 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('header'), at: fc.nat({ max: 15 }), value: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('swap'), at: fc.nat(), with: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('extra'), words: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('missing'), words: fc.integer({ min: 1, max: 9 }) }) },
);
/** A wrong length in the header: the reader of a stream waits for bytes that never arrive, or misses the next frame. */
const lie = fc.record({ kind: kind('lie'), bytes: fc.integer({ min: -64, max: 4096 }) });
type Change = (typeof change extends fc.Arbitrary<infer T> ? T : never) | { kind: 'lie'; bytes: number };

function changed(frame: Uint8Array, done: Change): Uint8Array {
  const words = new Uint32Array(frame.slice().buffer);
  const place = (at: number): number => at % words.length;
  // Magic and length determine where the next frame of a stream begins.
  const framing = (at: number): boolean => at === 0 || at === FRAME_BYTES / 4;
  switch (done.kind) {
    case 'bit':
      if (!framing(place(done.at))) new Uint8Array(words.buffer)[place(done.at) * 4] ^= 1 << done.bit;
      return new Uint8Array(words.buffer);
    case 'header':
      if (!framing(done.at)) words[done.at] = done.value;
      return new Uint8Array(words.buffer);
    case 'swap': {
      const [one, other] = [place(done.at), place(done.with)];
      if (!framing(one) && !framing(other)) [words[one], words[other]] = [words[other], words[one]];
      return new Uint8Array(words.buffer);
    }
    case 'extra':
    case 'missing': {
      const by = done.kind === 'extra' ? done.words * 4 : -done.words * 4;
      const length = Math.max(HEADER_BYTES, frame.length + by);
      const other = new Uint32Array(length / 4);
      other.set(words.subarray(0, Math.min(words.length, other.length)));
      other[FRAME_BYTES / 4] = length;
      return new Uint8Array(other.buffer);
    }
    case 'lie':
      words[FRAME_BYTES / 4] += done.bytes;
      return new Uint8Array(words.buffer);
  }
}

/** Changes the frames of one lookup. @param times how many frames to change */
function meddle(done: Change, times: number, direction: 'subrequest' | 'reply'): void {
  let left = times;
  const once = (frame: Uint8Array): Uint8Array => (left-- > 0 ? changed(frame, done) : frame);
  for (const meddler of meddlers) {
    meddler.reply = direction === 'reply' ? once : (frame) => frame;
    // A subrequest is changed in place, so it keeps its length.
    meddler.subrequest = (frame) => {
      if (direction === 'subrequest') frame.set(once(frame).subarray(0, frame.length));
    };
  }
}

function same(got: Lookup, wanted: Lookup): boolean {
  return [...wanted].every(([name, { values, counts, missing, padded }]) => {
    const own = got.get(name);
    const pairs = [
      [own?.values, values],
      [own?.counts, counts],
      [own?.missing, missing],
      [own?.padded, padded],
    ];
    return pairs.every(([a, b]) => a && b && Buffer.compare(bytesOf(a), bytesOf(b)) === 0);
  });
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** @returns 'right', 'wrong', or the code of the error */
async function outcomeOf(ranker: Ranker, seed: number): Promise<string> {
  const began = performance.now();
  try {
    using got = await ranker.lookup(someBags(seed), { deadline: deadlineMs });
    return same(got, right[seed]) ? 'right' : 'wrong';
  } catch (error) {
    if (!(error instanceof FlexemrError)) throw error;
    expect(error.message).not.toMatch(/undefined|Cannot read|is not a function|not iterable/);
    return error.code;
  } finally {
    expect(performance.now() - began).toBeLessThan(deadlineMs + 10_000);
  }
}

const cases = fc.record({
  done: fc.oneof({ weight: 24, arbitrary: change }, { weight: 1, arbitrary: lie }),
  times: fc.constantFrom(1, 1, 2, 100),
  direction: fc.constantFrom('subrequest', 'reply', 'reply'),
  seed: fc.nat({ max: seeds - 1 }),
});

const bySockets = contenders.filter(({ sockets, server }) => sockets && Object.keys(server).length === 0);

describe.for(bySockets)('$name', (contender) => {
  let ranker: Ranker;
  beforeAll(async () => {
    ranker = await cluster.ranker({ transport: await contender.open(cluster, {}) });
  });
  afterAll(() => ranker.close());

  test('no vector is wrong, and every error has a type', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(cases, async ({ done, times, direction, seed }) => {
        meddle(done, times, direction);
        const outcome = await outcomeOf(ranker, seed);
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        expect(outcome).not.toBe('wrong');
      }),
      { numRuns: runs.meddledLookups },
    );
    console.log(contender.name, Object.fromEntries(seen));
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['right', 'INVALID_FRAME']));
    // A later lookup succeeds, after any change.
    meddle({ kind: 'lie', bytes: 0 }, 0, 'reply');
    await expect.poll(() => outcomeOf(ranker, 1)).toBe('right');
  });
});

test.for(['subrequest', 'reply'] as const)('a %s that changed once is sent again', async (direction) => {
  for (const { open } of bySockets) {
    await using ranker = await cluster.ranker({ transport: await open(cluster, {}) });
    for (let at = 1; at < 40; at += 3) {
      meddle({ kind: 'bit', at: at * 5 + 3, bit: at % 8 }, 1, direction);
      expect([at, await outcomeOf(ranker, at)]).toEqual([at, 'right']);
    }
  }
});

test('without checksums the same changes give wrong vectors', async () => {
  const [{ open }] = bySockets;
  await using ranker = await cluster.ranker({ transport: await open(cluster, {}), checksums: false });
  // Changes the lowest bit of the last value of a reply.
  for (const meddler of meddlers) meddler.reply = (frame) => changed(frame, { kind: 'bit', at: 17, bit: 0 });
  const outcomes = await Promise.all([1, 2, 3, 4].map((seed) => outcomeOf(ranker, seed)));
  expect(outcomes).toContain('wrong');
});
