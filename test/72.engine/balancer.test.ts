// Where a balancer moves connections, in a model of engines.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestStatic } from '../../bench/engines/best-static.ts';
import { EngineModel, roundRobin } from '../../bench/engines/model.ts';
import { Balancer } from '../../src/engine/balancer.ts';
import { runs } from '../runs.ts';
import { Case, goesBack, loadsOf, peakLoad, RecordedBalancer, secondWindows } from './engines.ts';

const hour = 3_600 * secondWindows;
const seeds = (count: number): number[] => Array.from({ length: count }, (_, seed) => seed);

test('the best static owners are the best of all', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 3 }),
      (demands, engines) => {
        let least = Number.POSITIVE_INFINITY;
        for (let code = 0; code < engines ** demands.length; code++) {
          const owners = demands.map((_, c) => Math.floor(code / engines ** c) % engines);
          least = Math.min(least, peakLoad(demands, owners));
        }
        const found = peakLoad(demands, bestStatic(demands, engines));
        expect(found).toBeGreaterThanOrEqual(least - 1e-9);
        expect(found).toBeLessThanOrEqual(least * 1.001);
      },
    ),
  );
});

describe('2 s after the load has shifted', () => {
  test('lookups have 90 % of the best throughput, but for few shifts, which have 80 %', () => {
    const shares = seeds(runs.loadShifts).map((seed) => {
      const engines = new Case(seed);
      return engines.shift('lookups', 0.1, engines.demands(1.1), engines.demands(1.1));
    });
    // Moves and swaps do not always lead to the best owners: there may be better ones that only three moves at once reach.
    expect(shares.filter((share) => share < 0.9).length).toBeLessThanOrEqual(runs.loadShifts / 100);
    expect(Math.min(...shares)).toBeGreaterThan(0.8);
  });

  test('independent connections have 90 %, if engines have time for all', () => {
    const shares = seeds(runs.loadShifts).map((seed) => {
      const engines = new Case(seed);
      const [before, after] = [engines.demands(0.9), engines.demands(0.9)];
      const peak = peakLoad(after, bestStatic(after, engines.engines));
      const fitting = after.map((demand) => (demand * 0.95) / peak);
      return engines.shift('independent', 0.1, before, fitting);
    });
    expect(Math.min(...shares)).toBeGreaterThan(0.9);
  });

  test('without a balancer, many have less', () => {
    const shares = seeds(100).map((seed) => {
      const engines = new Case(seed);
      const demands = engines.demands(1.1);
      const best = bestStatic(demands, engines.engines);
      return peakLoad(demands, best) / peakLoad(demands, roundRobin(engines.connections, engines.engines));
    });
    expect(shares.filter((share) => share < 0.9).length).toBeGreaterThan(40);
  });
});

describe('in an hour of steady load', () => {
  // At ±10 % noise does not pass the test of a gain. What is moved late is a small gain that has become certain.
  test.for(['lookups', 'independent'] as const)(
    '%s, ±10 %: at most 4 moves after 10 s, and none back',
    (coupling) => {
      for (const seed of seeds(runs.steadyHours)) {
        const engines = new Case(seed + 2_000);
        const demands = engines.demands(coupling === 'lookups' ? 1.1 : 0.95);
        const late = engines.run(coupling, hour, 0.1, () => demands).after(10);
        expect(late.length).toBeLessThanOrEqual(4);
        expect(goesBack(late)).toBe(false);
      }
    },
  );

  test('±30 %: at most 8 moves after 10 s', () => {
    for (const seed of seeds(runs.steadyHours)) {
      const engines = new Case(seed + 2_000);
      const demands = engines.demands(1.1);
      expect(engines.run('lookups', hour, 0.3, () => demands).after(10).length).toBeLessThanOrEqual(8);
    }
  });
});

describe('load that goes to and fro', () => {
  test.for([1, 2, 3, 5])('every %i windows, is not followed', (windows) => {
    for (const seed of seeds(runs.steadyHours)) {
      const engines = new Case(seed + 3_000);
      const [one, other] = [engines.demands(1.1), engines.demands(1.1)];
      const balancer = engines.run('lookups', hour / 6, 0.1, (i) =>
        Math.floor(i / windows) % 2 ? one : other,
      );
      expect(balancer.moves.length).toBeLessThanOrEqual(10);
    }
  });

  // Each connection stays for up to 64 s then. Until it does, it moves about eight times.
  test.for([8, 12, 20])('every %i windows, is followed ever less', (windows) => {
    for (const seed of seeds(runs.steadyHours)) {
      const engines = new Case(seed + 3_000);
      const [one, other] = [engines.demands(1.1), engines.demands(1.1)];
      const balancer = engines.run('lookups', hour, 0.1, (i) => (Math.floor(i / windows) % 2 ? one : other));
      for (let c = 0; c < engines.connections; c++) {
        const own = balancer.moves.filter(({ connection }) => connection === c);
        expect(own.length).toBeLessThanOrEqual(8 + 3_600 / 64);
      }
    }
  });
});

describe('nothing moves', () => {
  const anyCase = fc.record({
    seed: fc.nat(),
    connections: fc.integer({ min: 0, max: 12 }),
    engines: fc.integer({ min: 1, max: 4 }),
  });
  const movesOf = (
    owners: readonly number[],
    engines: number,
    demandsOf: () => ArrayLike<number>,
  ): number => {
    const balancer = new RecordedBalancer();
    const model = new EngineModel(owners, engines, 'lookups');
    for (let i = 0; i < 30 * secondWindows; i++) model.step(demandsOf(), balancer);
    return balancer.moves.length;
  };

  test('if no engine is overloaded, however much loads differ', () => {
    fc.assert(
      fc.property(anyCase, fc.double({ min: 0, max: 0.7, noNaN: true }), ({ seed, ...drawn }, peak) => {
        const { random } = new Case(seed);
        const owners = Array.from({ length: drawn.connections }, () => Math.floor(random() * drawn.engines));
        const weights = owners.map(() => random());
        const most = Math.max(1e-9, peakLoad(weights, owners));
        expect(movesOf(owners, drawn.engines, () => weights.map((x) => (x * peak) / most))).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test('with one engine, with one connection, and with equal loads', () => {
    expect(movesOf([0, 0, 0], 1, () => [1, 2, 3])).toBe(0);
    expect(movesOf([1], 3, () => [2])).toBe(0);
    expect(movesOf(roundRobin(8, 4), 4, () => new Array(8).fill(1))).toBe(0);
    // One engine has a connection more than the others: to move one would make another engine such a one.
    expect(movesOf(roundRobin(9, 4), 4, () => new Array(9).fill(1))).toBe(0);
    expect(movesOf(roundRobin(8, 4), 4, () => new Array(8).fill(0))).toBe(0);
  });

  test('if a connection that is too much for an engine has one of its own', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 4 }), (seed, engines) => {
        const { random } = new Case(seed);
        const owners = [0, ...Array.from({ length: 6 }, (_, i) => 1 + (i % (engines - 1)))];
        expect(
          movesOf(owners, engines, () => owners.map((_, c) => (c === 0 ? 1.5 : 0.1 + 0.02 * random()))),
        ).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});

describe('what must move', () => {
  test('the others, away from a connection that is too much for an engine, and then nothing', () => {
    const balancer = new RecordedBalancer();
    const model = new EngineModel([0, 0, 0, 1], 2, 'lookups');
    for (let i = 0; i < hour / 60; i++) model.step([1.5, 0.2, 0.2, 0.2], balancer);
    const [hot, ...others] = model.owners;
    expect(others).toEqual(others.map(() => 1 - hot));
    expect(balancer.moves.length).toBe(2);
  });

  test('to an engine that has no connection', () => {
    const model = new EngineModel([0, 0], 3, 'lookups');
    const balancer = new RecordedBalancer();
    for (let i = 0; i < 2 * secondWindows; i++) model.step([1, 1], balancer);
    expect(new Set(model.owners).size).toBe(2);
    expect(balancer.moves.length).toBe(1);
  });

  test('two connections that swap, if no single move helps', () => {
    const balancer = new RecordedBalancer();
    const demands = [0.6, 0.6, 0.3, 0.3];
    const model = new EngineModel([0, 0, 1, 1], 2, 'lookups');
    for (let i = 0; i < 4 * secondWindows; i++) model.step(demands, balancer);
    expect(peakLoad(demands, model.owners)).toBeCloseTo(0.9);
    expect(balancer.moves.length).toBe(2);
  });

  test('from an engine with a long queue, even if its thread is not busy', () => {
    const balancer = new Balancer();
    const connections = [0, 0, 1].map((owner) => ({ owner, work: 100, queued: owner === 0 ? 10 : 0 }));
    const moves = seeds(10).map((i) =>
      balancer.observe(i * 100, connections, [{ busy: 0.5 }, { busy: 0.1 }]),
    );
    expect(moves.find((move) => move !== undefined)).toMatchObject({ from: 0, to: 1 });
  });
});

test('in steady load without noise, moves make loads of engines more equal', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const engines = new Case(seed);
      const demands = engines.demands(1.1);
      const model = engines.model('lookups');
      const before = loadsOf(demands, model.owners);
      const balancer = new RecordedBalancer();
      for (let i = 0; i < 20 * secondWindows; i++) model.step(demands, balancer);
      const after = loadsOf(demands, model.owners);
      expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...before));
      const squares = (loads: readonly number[]): number => loads.reduce((sum, load) => sum + load ** 2, 0);
      if (balancer.moves.length > 0) expect(squares(after)).toBeLessThan(squares(before));
    }),
  );
});
