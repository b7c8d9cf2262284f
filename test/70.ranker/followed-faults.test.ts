// Faults in what a ranker knows of updates, one at a time. The histories must find each of them.
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import type { FreshKeys } from '../../src/ranker/fresh-keys.ts';
import type { HeardChain } from '../../src/ranker/heard-chain.ts';

const chains = '../../src/ranker/heard-chain.ts';
const keys = '../../src/ranker/fresh-keys.ts';
const notes = '../../src/lookup/key-ticks.ts';

afterEach(() => {
  vi.doUnmock(chains);
  vi.doUnmock(keys);
  vi.doUnmock(notes);
  vi.resetModules();
});

async function expectFound(): Promise<void> {
  vi.resetModules();
  const { followedHistories, runFollowed } = await import('./followed-cases.ts');
  const property = fc.asyncProperty(followedHistories, async (history) => void (await runFollowed(history)));
  await expect(fc.assert(property, { numRuns: 100, seed: 1, endOnFailure: true })).rejects.toThrow(
    /Property failed/,
  );
}

const ticks: readonly [string, (real: HeardChain, number: bigint, now: number) => number][] = [
  ['every reply has all that was heard', (_, __, now) => now],
  ['a reply has a batch that it lacks', (real, number, now) => Math.min(now, real.tickOf(number, now) + 1)],
  ['no reply has all that was heard', () => 0],
];
test.for(ticks)('finds: %s', async ([, tickOf]) => {
  const { HeardChain: Real } =
    await vi.importActual<typeof import('../../src/ranker/heard-chain.ts')>(chains);
  class Faulty extends Real {
    override tickOf(number: bigint, now: number): number {
      return tickOf(
        { tickOf: (...args: [bigint, number]) => super.tickOf(...args) } as HeardChain,
        number,
        now,
      );
    }
  }
  vi.doMock(chains, () => ({ HeardChain: Faulty }));
  await expectFound();
});

const deaf: readonly [string, (real: FreshKeys) => Partial<FreshKeys>][] = [
  ['batches that were missed are forgotten', () => ({ onBegin: () => {} })],
  ['keys are not noted in caches', () => ({ use: () => {} })],
];
test.for(deaf)('finds: %s', async ([, fault]) => {
  const { FreshKeys: Real } = await vi.importActual<typeof import('../../src/ranker/fresh-keys.ts')>(keys);
  class Faulty extends Real {
    #isBegun = false;
    override onBegin(incarnation: number): void {
      if (!this.#isBegun || fault(this).onBegin === undefined) super.onBegin(incarnation, false);
      this.#isBegun = true;
    }
    override use(shards: Iterable<{ chain: string; table: number }>): void {
      (fault(this).use ?? ((all: typeof shards) => super.use(all)))(shards);
    }
  }
  vi.doMock(keys, () => ({ FreshKeys: Faulty }));
  await expectFound();
});

test('finds: a cache of another size does not know which keys were updated before', async () => {
  const real = await vi.importActual<typeof import('../../src/lookup/key-ticks.ts')>(notes);
  class Faulty extends real.KeyTicks {
    override adopt(): void {}
  }
  vi.doMock(notes, () => ({ ...real, KeyTicks: Faulty }));
  await expectFound();
});
