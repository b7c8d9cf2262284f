// What a ranker knows of updates that were heard, against all that was ever written.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeyTicks } from '../../src/lookup/key-ticks.ts';
import { FreshKeys } from '../../src/ranker/fresh-keys.ts';
import { HeardChain } from '../../src/ranker/heard-chain.ts';
import { cacheHeardMax } from '../../src/update-limits.ts';

const position = (number: number, digest = number * 3 + 1) => {
  return { incarnation: 1, number: BigInt(number), digest: number === 0 ? 0n : BigInt(digest) };
};
const batch = (number: number) => {
  return { position: position(number), previous: position(number - 1).digest };
};

test('the tick of a number is before the first batch that is heard and lacks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 * cacheHeardMax, size: 'max' }),
      fc.nat({ max: 2 * cacheHeardMax + 8 }),
      (first, gaps, asked) => {
        const chain = new HeardChain(1, position(first), 10);
        const ticks = [10];
        for (const gap of gaps) {
          ticks.push(ticks[ticks.length - 1] + gap);
          chain.hear(batch(first + ticks.length - 1), ticks[ticks.length - 1]);
          // One that lost a race.
          chain.hear(
            { ...batch(first + ticks.length - 1), position: position(first + ticks.length - 1, 7) },
            99,
          );
        }
        const now = ticks[ticks.length - 1] + 5;
        const oldest = Math.max(0, ticks.length - cacheHeardMax);
        const at = asked - first;
        const wanted =
          at < oldest || at >= ticks.length ? 0 : at === ticks.length - 1 ? now : ticks[at + 1] - 1;
        expect(chain.tickOf(BigInt(asked), now)).toBe(wanted);
        expect(chain.isBroken).toBe(false);
      },
    ),
    { numRuns: 300 },
  );
});

/** Notes the last floor. */
class Floor {
  floor = 0;
  setFloor(tick: number): void {
    this.floor = tick;
  }
  note(): void {}
  adopt(): void {}
}

function followed() {
  const errors: string[] = [];
  const fresh = new FreshKeys(({ message }) => errors.push(message));
  const floor = new Floor();
  fresh.use([{ chain: 'a', table: 1 }]);
  fresh.add(floor as unknown as KeyTicks);
  const hear = (number: number, of = batch(number)): void =>
    fresh.onBatch({ chain: 'a', ...of, keys: BigUint64Array.of(1n), deletes: new BigUint64Array(0) });
  const current = (): number => {
    fresh.onCurrent(performance.now());
    fresh.check();
    return floor.floor;
  };
  return { errors, fresh, hear, current, floor };
}
const none = 0xffff_ffff;

test('no entry counts before all is heard, nor while it is away', () => {
  const { fresh, hear, current, floor, errors } = followed();
  fresh.check();
  expect(floor.floor).toBe(none);
  fresh.onBegin(1, false);
  hear(5);
  fresh.check();
  expect(floor.floor).toBe(none);
  const first = current();
  expect(first).toBeLessThan(none);
  fresh.onBegin(1, false);
  expect(floor.floor).toBe(none);
  hear(5);
  expect(current()).toBeGreaterThan(first);
  expect(errors).toHaveLength(1);
});

test('what was heard before a table had its number is not known of it: entries count from then on', () => {
  const { fresh, hear, current } = followed();
  fresh.onBegin(1, false);
  const first = current();
  hear(1);
  fresh.use([{ chain: 'a', table: 1 }]);
  expect(current()).toBe(first);
  fresh.use([{ chain: 'a', table: 2 }]);
  const second = current();
  expect(second).toBeGreaterThan(first);
  // Another cache that takes over nothing.
  fresh.add(new Floor() as unknown as KeyTicks);
  expect(current()).toBeGreaterThan(second);
});

test.for([
  ['a gap', 7, batch(7)],
  ['a fork', 6, { position: position(6), previous: 1n }],
  ['another incarnation', 6, { ...batch(6), position: { ...position(6), incarnation: 2 } }],
] as const)('after %s in a chain, its entries do not count, and it is told once', ([, number, of]) => {
  const { fresh, hear, current, errors } = followed();
  fresh.onBegin(1, false);
  hear(5);
  const first = current();
  hear(number, of);
  expect(current()).toBeGreaterThan(first);
  hear(8);
  fresh.onBegin(1, false);
  hear(9);
  current();
  expect(errors.filter((message) => message.includes('lost batches'))).toHaveLength(1);
});

test('a chain that ends earlier than before was lost, one of a stream that was made anew was not', () => {
  for (const [incarnation, lost] of [
    [1, 1],
    [2, 0],
  ]) {
    const { fresh, hear, current, errors } = followed();
    fresh.onBegin(1, false);
    hear(5);
    current();
    fresh.onBegin(incarnation, false);
    current();
    expect(errors.filter((message) => message.includes('lost batches'))).toHaveLength(lost);
  }
});

test('if the stream has lost what was heard, a chain that is longer now is another one', () => {
  for (const [lost, told] of [
    [false, 0],
    [true, 1],
  ] as const) {
    const { fresh, hear, current, errors } = followed();
    fresh.onBegin(1, false);
    hear(5);
    current();
    fresh.onBegin(1, lost);
    hear(9);
    current();
    expect(errors.filter((message) => message.includes('lost batches'))).toHaveLength(told);
    // One that ends where it did is the same.
    fresh.onBegin(1, lost);
    hear(9);
    current();
    expect(errors.filter((message) => message.includes('lost batches'))).toHaveLength(told);
  }
});
