// Time in simulations: the order of events, and threads that are busy.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue, type SimulatedEvent } from '../../src/simulation/event-queue.ts';
import { leastSquares } from '../../src/simulation/least-squares.ts';
import { Cores, Nic, Processor } from '../../src/simulation/processor.ts';
import { World } from '../../src/simulation/world.ts';

test('events come in the order of their times, and those of the same time in the order in which they were added', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.nat(20) }),
      fc.constant('next' as const),
      fc.record({ remove: fc.nat(1_000) }),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new EventQueue<number>();
      const given: SimulatedEvent<number>[] = [];
      let model: SimulatedEvent<number>[] = [];
      for (const step of all) {
        if (step === 'next') {
          const [first] = [...model].sort((a, b) => a.at - b.at || a.act - b.act);
          expect(queue.next()).toBe(first);
          model = model.filter((event) => event !== first);
        } else if ('add' in step) {
          const event = queue.add(step.add, given.length);
          given.push(event);
          model.push(event);
        } else if (given.length > 0) {
          // It may not be in the queue any more.
          const event = given[step.remove % given.length];
          queue.remove(event);
          model = model.filter((other) => other !== event);
        }
        expect(queue.size).toBe(model.length);
      }
    }),
  );
});

/** The times at which work of so many ms begins that arrives at some times, in threads in turn. */
async function begins(
  arrivals: readonly number[],
  ms: number,
  threads: readonly Processor[],
): Promise<number[]> {
  using world = new World(1);
  const begun: number[] = [];
  for (const [i, at] of arrivals.entries())
    world.at(
      at,
      () => {
        begun.push(world.now);
        world.work(ms);
      },
      threads[i % threads.length],
    );
  await world.run(world.sleep(100_000));
  return begun;
}

test('work waits until its thread is free', async () => {
  expect(await begins([0, 1, 2, 50], 10, [new Processor('a')])).toEqual([0, 10, 20, 50]);
  const costs = { wakeMs: 3, readMs: 0, writeMs: 0, restMs: 0, pauses: { everyMs: 0, ms: 0 } };
  // Only a thread that has waited must be woken.
  expect(await begins([5, 6, 60], 10, [new Processor('a', costs)])).toEqual([8, 18, 63]);
});

test('threads that share cores wait for one', async () => {
  const threadsWith = (cores: number): Processor[] => {
    const shared = new Cores(cores);
    return Array.from({ length: 4 }, (_, i) => new Processor(`${i}`, undefined, new Nic(), shared));
  };
  expect(await begins([0, 0, 0, 0], 10, threadsWith(1))).toEqual([0, 10, 20, 30]);
  expect(await begins([0, 0, 0, 0], 10, threadsWith(2))).toEqual([0, 0, 10, 10]);
  expect(await begins([0, 0, 0, 0], 10, threadsWith(4))).toEqual([0, 0, 0, 0]);
});

test('a busy thread has the queue that queueing theory gives it', async () => {
  using world = new World(3);
  const processor = new Processor('a');
  const [ms, load, count] = [2, 0.5, 100_000];
  const dice = world.dice.fork();
  let [at, waited] = [0, 0];
  for (let i = 0; i < count; i++) {
    at += dice.interval(ms / load);
    const arrival = at;
    world.at(
      arrival,
      () => {
        waited += world.now - arrival;
        world.work(ms);
      },
      processor,
    );
  }
  await world.run(world.sleep(at + 10_000));
  // Arrivals are independent, and all work is equal (M/D/1): the mean wait is load × work / (2 × (1 − load)).
  const expected = (load * ms) / (2 * (1 - load));
  expect(waited / count / expected).toBeGreaterThan(0.95);
  expect(waited / count / expected).toBeLessThan(1.05);
  expect(processor.busyMs / at).toBeCloseTo(load, 1);
});

/** Works of `eachMs` in one thread, which has nothing to do for half of the time. @returns the pauses after them */
async function pausesOf(one: PauseCase): Promise<{ pauses: number[]; busyMs: number }> {
  const { seed, everyMs, ms, eachMs } = one;
  using world = new World(seed);
  const costs = { wakeMs: 3, readMs: 0, writeMs: 0, restMs: 0, pauses: { everyMs, ms } };
  const processor = new Processor('a', costs);
  const pauses: number[] = [];
  let busyMs = 0;
  const act = (): void => {
    pauses.push(processor.busyMs - busyMs);
    busyMs = processor.busyMs + eachMs;
    world.work(eachMs);
  };
  const [works, apartMs] = [workMs / eachMs, 2 * (eachMs + 2 * ms)];
  for (let i = 0; i <= works; i++) world.at(i * apartMs, act, processor);
  await world.run(world.sleep((works + 1) * apartMs));
  return { pauses: pauses.filter((pause) => pause > 1e-9), busyMs: busyMs - eachMs };
}

interface PauseCase {
  readonly seed: number;
  readonly everyMs: number;
  readonly ms: number;
  readonly eachMs: number;
}

const workMs = 60_000;

test('a thread pauses as often and for as long as was measured, by its work and not by the time', async () => {
  const cases = fc.record({
    seed: fc.nat(1_000),
    everyMs: fc.integer({ min: 5, max: 20 }),
    ms: fc.integer({ min: 1, max: 4 }),
    eachMs: fc.constantFrom(1, 2),
  });
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const { pauses, busyMs } = await pausesOf(one);
      const total = pauses.reduce((sum, pause) => sum + pause, 0);
      expect(Math.abs(pauses.length / (workMs / one.everyMs) - 1)).toBeLessThan(0.1);
      expect(Math.abs(total / pauses.length / one.ms - 1)).toBeLessThan(0.12);
      expect(Math.max(...pauses)).toBeGreaterThan(4 * one.ms);
      // The work itself takes as long as without pauses.
      expect(busyMs - total).toBeCloseTo(workMs, 3);
      expect((await pausesOf(one)).pauses).toEqual(pauses);
      expect((await pausesOf({ ...one, seed: one.seed + 1 })).pauses).not.toEqual(pauses);
    }),
    { numRuns: 5 },
  );
});

test('a thread without pauses takes as long as its work', async () => {
  const { pauses, busyMs } = await pausesOf({ seed: 1, everyMs: 0, ms: 0, eachMs: 1 });
  expect(pauses).toEqual([]);
  expect(busyMs).toBeCloseTo(workMs, 3);
});

test('least squares finds the numbers that gave what was measured', () => {
  const number = fc.integer({ min: 0, max: 1_000 });
  const row = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(
      fc.tuple(number, number, number),
      fc.array(row, { minLength: 3, maxLength: 6 }),
      (wanted, more) => {
        // With these, there is one solution.
        const rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1], ...more];
        const measured = rows.map((own) => own.reduce((sum, factor, i) => sum + factor * wanted[i], 0));
        const some = rows.filter((_, i) => measured[i] > 0);
        if (some.length === 0) return;
        const found = leastSquares(
          some,
          measured.filter((value) => value > 0),
        );
        for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i], 1);
      },
    ),
  );
});
