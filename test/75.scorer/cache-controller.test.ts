// Days of load, on a clock of their own: a cache gets what the networks leave, and batches never wait for ever.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FlexemrError, type ScoreRequest, Tables } from '../../src/index.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { planModel } from '../../src/model/model-plan.ts';
import type { Tensors } from '../../src/model/tensor.ts';
import { CacheController } from '../../src/scorer/cache-controller.ts';
import type { CacheBytes, ElasticCache } from '../../src/scorer/elastic-cache.ts';
import { MemoryCurve } from '../../src/scorer/memory-curve.ts';
import { Scorer } from '../../src/scorer/scorer.ts';
import { cacheGrowthMin, cacheReserveShare } from '../../src/scoring-limits.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { runs } from '../runs.ts';
import { Adder } from './adder.ts';

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
);
afterEach(() => void vi.useRealTimers());

const windowMs = 500;
const floorBytes = 1_000;
const later = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

interface Shape {
  readonly seed: number;
  readonly capacityBytes: number;
  readonly fixedBytes: number;
  readonly candidateBytes: number;
  readonly batchCandidates: number;
  /** What a batch takes for each candidate. */
  readonly msEach?: number;
  /** What was measured of a candidate, of what it takes. */
  readonly measured?: number;
}

/** The memory of a process. Nothing in it may ever exceed the capacity. */
class World implements ElasticCache {
  bytes = floorBytes;
  releasedBytes = 0;
  /** Of a cache that is being made. */
  #making = 0;
  /** The largest batch since the networks were renewed, and those in progress. */
  #held = 0;
  readonly running: number[] = [];
  readonly #random: () => number;
  readonly #shape: Shape;
  /** The most memory that was used, of the capacity; the largest batch; and the smallest cache. */
  most = 0;
  largest = 0;
  smallest = Number.POSITIVE_INFINITY;
  renewals = 0;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#random = randomOf(shape.seed);
  }

  /** Bytes of the cache that are not resident, because they were never written. */
  untouched = 0;

  get memory(): CacheBytes {
    const { bytes, releasedBytes } = this;
    return { bytes, touchedBytes: bytes - this.untouched, releasedBytes };
  }

  /** Garbage that is not explained by batches. */
  litter = 0;
  readonly collect = async (): Promise<void> => {
    await later(1);
    this.litter = 0;
  };

  /** The collector may have been there lately. */
  readonly residentBytes = (): number => {
    const { fixedBytes, candidateBytes } = this.#shape;
    const garbage = 0.1 * fixedBytes * (this.#random() - 1) + this.litter;
    return fixedBytes + garbage + candidateBytes * this.#held + this.bytes + this.releasedBytes;
  };

  #check(): void {
    const { fixedBytes, candidateBytes, capacityBytes } = this.#shape;
    const caches = this.bytes + this.#making + this.releasedBytes;
    this.most = Math.max(this.most, (fixedBytes + candidateBytes * this.#held + caches) / capacityBytes);
  }

  async resize(bytes: number): Promise<void> {
    // As a ranker does.
    if (!Number.isInteger(bytes) || (bytes !== 0 && bytes < floorBytes))
      throw new RangeError(`${bytes} bytes`);
    if (bytes > this.bytes && this.bytes > 0) {
      await later(5 * this.#random());
      this.bytes = bytes;
      this.#check();
      return;
    }
    this.#making = bytes;
    this.#check();
    await later(30 * this.#random());
    if (this.#random() < 0.1) {
      this.#making = 0;
      throw new FlexemrError('OUT_OF_MEMORY', 'the system has no memory now');
    }
    const released = this.bytes;
    this.bytes = bytes;
    this.#making = 0;
    this.releasedBytes += released;
    void later(60 * this.#random()).then(() => (this.releasedBytes -= released));
  }

  readonly renew = async (): Promise<void> => {
    await later(20 * this.#random());
    this.#held = Math.max(0, ...this.running);
    this.renewals++;
  };

  async run(candidates: number): Promise<void> {
    const { msEach = 0.05 } = this.#shape;
    this.running.push(candidates);
    this.#held = Math.max(this.#held, candidates);
    this.largest = Math.max(this.largest, candidates);
    this.smallest = Math.min(this.smallest, this.bytes);
    this.#check();
    await later(1 + msEach * candidates * (0.8 + 0.4 * this.#random()));
    this.running.splice(this.running.indexOf(candidates), 1);
  }
}

class SizedNetwork extends Adder {
  readonly #world: World;

  constructor(world: World) {
    super([{ inputs: { dense: [2], t: [1] }, outputs: { logit: [] } }]);
    this.#world = world;
  }

  override async run(_network: number, inputs: Tensors): Promise<Tensors> {
    const [rows] = inputs.dense.dims;
    await this.#world.run(rows);
    return { logit: { type: 'float32', data: new Float32Array(rows), dims: [rows] } };
  }
}

async function opened(shape: Shape): Promise<{ scorer: Scorer; world: World; errors: Error[] }> {
  const tables = new Tables({ slotBytes: 2 ** 20 });
  await tables.add({ name: 't', rows: 1, dim: 1, mode: 'sum' }, { rows: new Float32Array(1) });
  const world = new World(shape);
  const dense = new SizedNetwork(world);
  const plan = planModel(describeModel(dense.networks, tables.specs, 'sized'), dense.networks, tables.specs);
  const { batchCandidates, capacityBytes } = shape;
  const errors: Error[] = [];
  const { fixedBytes, candidateBytes, measured = 1 } = shape;
  const memory = new MemoryCurve(
    [0, 1].map((candidates) => ({ candidates, bytes: fixedBytes + measured * candidateBytes * candidates })),
  );
  const controller = new CacheController({
    bounds: { capacityBytes, floorBytes, ceilingBytes: capacityBytes },
    ...{ cache: world, memory, windowMs, batchCandidates },
    ...{ renew: world.renew, collect: world.collect, residentBytes: world.residentBytes },
    onError: (error) => errors.push(error),
  });
  const batching = { batchCandidates, batchDelay: 0, queueCandidates: 1_000_000 };
  const context = { source: tables, dense, plan, tracer: undefined, observer: undefined };
  return { scorer: new Scorer({ ...context, batching, controller }), world, errors };
}

/** Once for all candidates, so that a request costs this test the same, however many it has. */
const bags = { t: { keys: new Uint32Array(1), lengths: [1] } };
const requestOf = (candidates: number): ScoreRequest => ({
  bags,
  dense: { dense: new Float32Array(2 * candidates) },
});

/** Lets the clock go on until all requests have ended, for an hour at most. */
async function ended(scored: readonly Promise<unknown>[]): Promise<void> {
  let done = false;
  const all = Promise.all(scored).finally(() => (done = true));
  for (let i = 0; i < 3_600 && !done; i++) await vi.advanceTimersByTimeAsync(1_000);
  expect(done).toBe(true);
  await all;
}

const shapes = fc.record({
  seed: fc.nat(),
  capacityBytes: fc.integer({ min: 100_000, max: 10_000_000 }),
  fixedShare: fc.double({ min: 0, max: 0.9, noNaN: true }),
  /** Of the largest batch for which there would be memory. */
  batchShare: fc.double({ min: 0.1, max: 1.5, noNaN: true }),
  batchCandidates: fc.integer({ min: 8, max: 500 }),
});
const shapeOf = ({
  fixedShare,
  batchShare,
  ...given
}: typeof shapes extends fc.Arbitrary<infer T> ? T : never): Shape => {
  const fixedBytes = Math.floor(given.capacityBytes * fixedShare);
  const candidateBytes = (batchShare * (given.capacityBytes - fixedBytes)) / given.batchCandidates;
  return { ...given, fixedBytes, candidateBytes };
};
/** Phases of a day: how long each is, and the requests in it. */
const days = fc.array(
  fc.record({
    ms: fc.integer({ min: 50, max: 3_000 }),
    gapMs: fc.double({ min: 1, max: 200, noNaN: true }),
    /** Of the largest request that is served at all. */
    size: fc.double({ min: 0.001, max: 1, noNaN: true }),
  }),
  { minLength: 3, maxLength: 10 },
);

test('on any day, memory never exceeds its capacity, and every request is answered', async () => {
  const seen = { resizes: 0, renewals: 0, errors: 0, requests: 0 };
  const hasSeenAll = (): boolean => Object.values(seen).every((count) => count > 0);
  const property = fc.asyncProperty(shapes, days, async (drawn, day) => {
    const { scorer, world, errors } = await opened(shapeOf(drawn));
    const { stats } = scorer;
    const most = Math.min(drawn.batchCandidates, stats.memory?.batchCandidates ?? 1);
    const random = randomOf(drawn.seed);
    const scored: Promise<unknown>[] = [];
    for (const { ms, gapMs, size } of day) {
      for (let passed = 0; passed < ms; ) {
        const candidates = Math.max(1, Math.floor(most * size * random()));
        scored.push(scorer.score(requestOf(candidates), { deadline: 1_000_000 }));
        const gap = Math.max(1, -Math.log(1 - random()) * gapMs);
        await vi.advanceTimersByTimeAsync(gap);
        passed += gap;
      }
    }
    await ended(scored);
    expect(world.most).toBeLessThanOrEqual(1 + 1e-9);
    const { memory } = scorer.stats;
    seen.resizes += memory?.resizes ?? 0;
    seen.renewals += world.renewals;
    seen.errors += errors.length;
    expect(errors.filter((error) => error instanceof RangeError)).toEqual([]);
    seen.requests += scored.length;
    await scorer.close();
  });
  // A resize fails by chance, and in some twenty days none does. To look for a shorter day takes minutes.
  for (let round = 0; round < 5 && !hasSeenAll(); round++)
    await fc.assert(property, { numRuns: runs.days, endOnFailure: true });
  console.log(seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
}, 1_200_000);

test('at its peak, batches are as large as without a cache; after it, the cache gets the rest', async () => {
  const shape: Shape = {
    ...{ seed: 3, capacityBytes: 1_000_000, fixedBytes: 200_000, candidateBytes: 1_000 },
    ...{ batchCandidates: 10_000, msEach: 0.2 },
  };
  const { scorer, world } = await opened(shape);
  const largest = (shape.capacityBytes - shape.fixedBytes) / shape.candidateBytes;
  const load = async (candidates: number, gapMs: number, forMs: number): Promise<void> => {
    const scored: Promise<unknown>[] = [];
    for (let ms = 0; ms < forMs; ms += gapMs) {
      scored.push(scorer.score(requestOf(candidates), { deadline: 1_000_000 }));
      await vi.advanceTimersByTimeAsync(gapMs);
    }
    await ended(scored);
  };
  const rest = (candidates: number): number =>
    shape.capacityBytes - shape.fixedBytes - shape.candidateBytes * candidates;
  const least = (1 - cacheReserveShare) / cacheGrowthMin;
  for (const night of [10, 100]) {
    await load(night, 50, 3_000);
    expect(world.bytes).toBeGreaterThanOrEqual(least * rest(2 * night));
    [world.largest, world.smallest] = [0, shape.capacityBytes];
    // More than it can bear.
    await load(10, 1, 1_500);
    expect(world.largest).toBeGreaterThanOrEqual(0.97 * largest);
    expect(world.smallest).toBe(floorBytes);
  }
  expect(world.renewals).toBeGreaterThan(1);
  await scorer.close();
});

test('a request for which there is memory at no time is refused, and one for which there is none now waits', async () => {
  const shape: Shape = {
    ...{ seed: 1, capacityBytes: 1_000_000, fixedBytes: 200_000, candidateBytes: 1_000 },
    batchCandidates: 10_000,
  };
  const { scorer, world } = await opened(shape);
  await vi.advanceTimersByTimeAsync(2_000);
  const { batchCandidates = 0 } = scorer.stats.memory ?? {};
  expect(batchCandidates).toBeLessThan(200);
  const all = (shape.capacityBytes - shape.fixedBytes - floorBytes) / shape.candidateBytes;
  await expect(scorer.score(requestOf(all + 1))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  const scored = scorer.score(requestOf(all));
  await vi.advanceTimersByTimeAsync(1);
  expect(world.running).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect((await scored).candidates).toBe(all);
  await scorer.close();
});

test('batches become larger if they need less memory than was measured', async () => {
  const shape: Shape = {
    ...{ seed: 1, capacityBytes: 1_000_000, fixedBytes: 200_000, candidateBytes: 1_000 },
    ...{ batchCandidates: 10_000, msEach: 0.2, measured: 1.5 },
  };
  const { scorer, world } = await opened(shape);
  const scored: Promise<unknown>[] = [];
  for (let i = 0; i < 4_000; i++) {
    scored.push(scorer.score(requestOf(10), { deadline: 1_000_000 }));
    await vi.advanceTimersByTimeAsync(1);
  }
  await ended(scored);
  // By what was measured, 533.
  expect(world.largest).toBeGreaterThan(650);
  expect(world.most).toBeLessThanOrEqual(1);
  await scorer.close();
});

test('garbage is collected if a request waits for its memory', async () => {
  const shape: Shape = {
    ...{ seed: 1, capacityBytes: 1_000_000, fixedBytes: 200_000, candidateBytes: 1_000 },
    batchCandidates: 10_000,
  };
  const { scorer, world } = await opened(shape);
  await vi.advanceTimersByTimeAsync(2_000);
  world.litter = 500_000;
  await vi.advanceTimersByTimeAsync(200);
  const scored = scorer.score(requestOf(700), { deadline: 400 });
  await vi.advanceTimersByTimeAsync(400);
  expect((await scored).candidates).toBe(700);
  await scorer.close();
});

test('memory that nothing explains is taken from the cache', async () => {
  const shape: Shape = {
    ...{ seed: 1, capacityBytes: 1_000_000, fixedBytes: 200_000, candidateBytes: 1_000 },
    batchCandidates: 10,
  };
  const { scorer, world } = await opened(shape);
  await vi.advanceTimersByTimeAsync(2_000);
  const before = world.bytes;
  world.untouched = 400_000;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(scorer.stats.memory?.neededBytes).toBeGreaterThan(550_000);
  expect(world.bytes).toBeLessThan(before - 300_000);
  await scorer.close();
});
