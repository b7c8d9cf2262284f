// A balancer is told strange things: connections come and go, moves do not happen or do not help, loads are impossible.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Balancer, type Move } from '../../src/engine/balancer.ts';
import { balanceMoveMsMax, balancePauseWindowsMax, balanceWindowMs } from '../../src/engine-limits.ts';
import { refusal } from '../refusal.ts';

const hour = 3_600_000 / balanceWindowMs;

/** Loads of connections, which make as much work as their engines have time for, or less. */
function observe(
  balancer: Balancer,
  window: number,
  owners: readonly number[],
  loads: readonly number[],
  engines: number,
): Move | undefined {
  const sums = new Array<number>(engines).fill(0);
  for (const [c, owner] of owners.entries()) sums[owner] += loads[c];
  const connections = owners.map((owner, c) => ({ owner, work: loads[c], queued: 0 }));
  return balancer.observe(
    window * balanceWindowMs,
    connections,
    sums.map((sum) => ({ busy: Math.min(1, sum) })),
  );
}

const phase = fc.record({
  engines: fc.integer({ min: 1, max: 4 }),
  loads: fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { maxLength: 10 }),
  windows: fc.integer({ min: 1, max: 30 }),
  /** Moves that happen, in turn; others do not. */
  happen: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
});

test('every move is possible, whatever connections and engines appear and disappear', () => {
  fc.assert(
    fc.property(fc.array(phase, { minLength: 1, maxLength: 8 }), (phases) => {
      const balancer = new Balancer();
      let [window, said] = [0, 0];
      for (const { engines, loads, windows, happen } of phases) {
        const owners = loads.map((_, c) => (c * c) % engines);
        for (let i = 0; i < windows; i++) {
          const move = observe(balancer, window++, owners, loads, engines);
          if (move === undefined) continue;
          expect(owners[move.connection]).toBe(move.from);
          expect(move.to).not.toBe(move.from);
          expect(move.to).toBeLessThan(engines);
          if (happen[said++ % happen.length]) owners[move.connection] = move.to;
        }
      }
    }),
  );
});

test('nothing is decided from what was known of other connections', () => {
  const balancer = new Balancer();
  for (let i = 0; i < 100; i++) {
    // There is a connection more, or less, in every third window.
    const owners = [0, 0, 0, 1].slice(i % 6 < 3 ? 1 : 0);
    expect(
      observe(
        balancer,
        i,
        owners,
        owners.map(() => 0.5),
        2,
      ),
    ).toBeUndefined();
  }
});

describe('a move that does not happen', () => {
  const loads = [0.5, 0.5, 0.5, 0.1];

  test('is waited for, and then given up', () => {
    const balancer = new Balancer();
    const said: number[] = [];
    for (let i = 0; i < hour; i++) if (observe(balancer, i, [0, 0, 0, 1], loads, 2)) said.push(i);
    const between = said.slice(1).map((window, i) => window - said[i]);
    expect(said.length).toBeGreaterThan(2);
    expect(Math.min(...between)).toBeGreaterThanOrEqual(balanceMoveMsMax / balanceWindowMs);
    // Each time, the pause before the next one is longer, up to the longest.
    expect(between.slice(0, -1).every((count, i) => count <= between[i + 1])).toBe(true);
    expect(between.at(-1)).toBeGreaterThan(balancePauseWindowsMax);
  });

  test('but was late does no harm', () => {
    const balancer = new Balancer();
    const owners = [0, 0, 0, 1];
    let late: (Move & { readonly at: number }) | undefined;
    let moves = 0;
    for (let i = 0; i < 1_000; i++) {
      const move = observe(balancer, i, owners, loads, 2);
      if (move) {
        expect(late).toBeUndefined();
        late = { ...move, at: i };
        moves++;
      }
      if (late && i === late.at + 20) {
        owners[late.connection] = late.to;
        late = undefined;
      }
    }
    expect(moves).toBe(1);
  });

  test('ends a swap: its second half is not made', () => {
    const balancer = new Balancer();
    const owners = [0, 0, 1, 1];
    const swapped = [0.7, 0.6, 0.3, 0.2].map((load) => load / 1.3);
    let moves = 0;
    for (let i = 0; i < 300; i++) {
      const move = observe(balancer, i, owners, swapped, 2);
      if (!move) continue;
      expect(move.from).toBe(0);
      moves++;
    }
    expect(moves).toBeGreaterThan(1);
  });
});

test('moves that do not help are made ever more seldom', () => {
  // The connection that has just moved has most of the load, wherever it is.
  const balancer = new Balancer();
  const owners = [0, 0, 1, 1];
  let [hot, moves] = [0, 0];
  for (let i = 0; i < hour; i++) {
    const loads = owners.map((_, c) => (c === hot ? 0.7 : 0.25));
    const move = observe(balancer, i, owners, loads, 2);
    if (move === undefined) continue;
    owners[move.connection] = move.to;
    hot = move.connection;
    moves++;
  }
  expect(moves).toBeGreaterThan(0);
  expect(moves).toBeLessThanOrEqual(2 * (10 + hour / balancePauseWindowsMax));
});

describe('impossible loads are refused', () => {
  const told = (connection: object, engine: object) => () =>
    new Balancer().observe(0, [{ owner: 0, work: 1, queued: 0, ...connection }], [{ busy: 0.5, ...engine }]);

  test.for([
    [{ owner: 1 }, {}, 'owner'],
    [{ owner: -1 }, {}, 'owner'],
    [{ owner: 0.5 }, {}, 'owner'],
    [{ work: Number.NaN }, {}, 'work'],
    [{ work: -1 }, {}, 'work'],
    [{ queued: Number.POSITIVE_INFINITY }, {}, 'queued'],
    [{}, { busy: Number.NaN }, 'busy'],
  ] as const)('%o %o', ([connection, engine, field]) => {
    expect(refusal(told(connection, engine))).toMatchObject({ code: 'INVALID_OPTION', field, position: 0 });
  });
});
