// A scorer under more load than it can bear, on a clock of its own.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FlexemrError, type ScoreRequest, Tables } from '../../src/index.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { planModel } from '../../src/model/model-plan.ts';
import type { Tensors } from '../../src/model/tensor.ts';
import { BatchTimes } from '../../src/scorer/batch-times.ts';
import { Scorer } from '../../src/scorer/scorer.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { Adder } from './adder.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** One thread whose runs take 4 ms, 0.1 ms for each candidate, and up to a fifth more by chance. */
class SlowAdder extends Adder {
  readonly #random = randomOf(5);
  #free: Promise<void> = Promise.resolve();

  override run(network: number, inputs: Tensors): Promise<Tensors> {
    const ms = (4 + 0.1 * inputs.dense.dims[0]) * (1 + 0.2 * this.#random());
    const before = this.#free;
    this.#free = before.then(() => new Promise((done) => setTimeout(done, ms)));
    return this.#free.then(() => super.run(network, inputs));
  }
}
/** Candidates per ms with full batches of 128. */
const capacity = 128 / ((4 + 12.8) * 1.1);

/** What happened to requests in a span of time. */
interface Outcome {
  readonly at: number;
  readonly ms: number;
  readonly candidates: number;
  readonly code: string | undefined;
}

/** Sends requests of 1 to 16 candidates, a Poisson process. @param load candidates per ms */
async function send(scorer: Scorer, load: number, forMs: number, deadline: number): Promise<Outcome[]> {
  const random = randomOf(11);
  const outcomes: Promise<Outcome>[] = [];
  const end = performance.now() + forMs;
  for (let at = performance.now(); at < end; at += (-Math.log(1 - random()) * 8.5) / load) {
    await vi.advanceTimersByTimeAsync(Math.max(0, at - performance.now()));
    const candidates = 1 + Math.floor(random() * 16);
    const request: ScoreRequest = {
      bags: { t: { keys: new Uint32Array(candidates), lengths: new Uint32Array(candidates).fill(1) } },
      dense: { dense: new Float32Array(2 * candidates) },
    };
    const began = performance.now();
    const outcome = (code?: string): Outcome => ({
      at: began,
      ms: performance.now() - began,
      candidates,
      code,
    });
    outcomes.push(
      scorer.score(request, { deadline }).then(
        () => outcome(),
        (error: FlexemrError) => outcome(error.code),
      ),
    );
  }
  await vi.advanceTimersByTimeAsync(2 * deadline);
  return await Promise.all(outcomes);
}

async function opened(): Promise<Scorer> {
  const tables = new Tables({ slotBytes: 2 ** 20 });
  await tables.add({ name: 't', rows: 2, dim: 1, mode: 'sum' }, { rows: new Float32Array(2) });
  const adder = new SlowAdder([{ inputs: { dense: [2], t: [1] }, outputs: { logit: [] } }]);
  const plan = planModel(describeModel(adder.networks, tables.specs, 'slow'), adder.networks, tables.specs);
  const batching = { batchCandidates: 128, batchDelay: 0, queueCandidates: 4_096 };
  return new Scorer({ source: tables, dense: adder, plan, batching, tracer: undefined, observer: undefined });
}

const sum = (outcomes: readonly Outcome[]): number =>
  outcomes.reduce((total, { candidates }) => total + candidates, 0);

test.for([100, 400])(
  'three times its capacity, with deadlines of %i ms: what is answered is answered in time, the rest is refused at once',
  async (deadline) => {
    const scorer = await opened();
    const forMs = 2_000;
    const all = await send(scorer, 3 * capacity, forMs, deadline);
    const answered = all.filter(({ code }) => code === undefined);
    expect(sum(answered) / forMs).toBeGreaterThan(0.95 * capacity);
    for (const { ms } of answered) expect(ms).toBeLessThanOrEqual(deadline);
    const refused = all.filter(({ code }) => code === 'OVERLOADED');
    for (const { ms } of refused) expect(ms).toBe(0);
    // Batches differ, so a few requests may still be late. They end at their deadline.
    const late = all.filter(({ code }) => code === 'DEADLINE_EXCEEDED');
    expect(answered.length + refused.length + late.length).toBe(all.length);
    expect(late.length).toBeLessThan(0.01 * all.length);
    // A load that it can bear is served as soon as the other one has ended.
    const after = await send(scorer, 0.5 * capacity, 1_000, deadline);
    expect(after.filter(({ code }) => code !== undefined)).toEqual([]);
    await scorer.close();
  },
);

test('of a large batch nothing is expected that only small ones have shown', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.double({ min: 0.1, max: 50, noNaN: true })), {
        minLength: 1,
        maxLength: 60,
      }),
      fc.integer({ min: 1, max: 4_096 }),
      (history, candidates) => {
        const times = new BatchTimes();
        for (const [size, ms] of history) times.add(size, ms);
        const [least, most] = [Math.min, Math.max].map((pick) => pick(...history.map(([, ms]) => ms)));
        expect(times.of(candidates)).toBeLessThanOrEqual(2 * most * 1.001);
        expect(times.of(candidates)).toBeGreaterThanOrEqual(0);
        if (history.every(([size]) => size === history[0][0]))
          expect(times.of(history[0][0])).toBeGreaterThanOrEqual(least * 0.999);
      },
    ),
  );
  const linear = new BatchTimes();
  for (let i = 0; i < 200; i++) linear.add(1 + (i % 128), 4 + 0.1 * (1 + (i % 128)));
  expect(linear.of(100)).toBeCloseTo(14, 1);
});
