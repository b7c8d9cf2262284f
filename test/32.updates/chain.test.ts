import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chainHistoryMax } from '../../src/update-limits.ts';
import { type Batch, type ChainPosition, readBatch, writeBatch } from '../../src/updates/batch.ts';
import { Chain, genesis } from '../../src/updates/chain.ts';
import { runs } from '../runs.ts';

let made = 0;
/** A batch with other content than any other. */
function batchAfter(after: ChainPosition): Batch {
  const keys = BigUint64Array.of(BigInt(++made));
  const rows = { keys, rows: Float32Array.of(made), deletes: new BigUint64Array() };
  const { bytes } = writeBatch(rows, { sequence: 0, position: after }, 0);
  return readBatch(bytes);
}

/** A chain of so many batches. */
function chainOf(length: number, from: ChainPosition = genesis(1)): Batch[] {
  const batches: Batch[] = [];
  for (let i = 0; i < length; i++) batches.push(batchAfter(batches.at(-1)?.position ?? from));
  return batches;
}

function follow(batches: readonly Batch[]): Chain {
  const chain = new Chain(genesis(1));
  for (const batch of batches) {
    expect(chain.judge(batch)).toBe('next');
    chain.advance(batch.position);
  }
  return chain;
}

test('who follows a chain knows its next batch, those it has, and those that are missing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (length, done, at) => {
      const batches = chainOf(length);
      const followed = done % length;
      const chain = follow(batches.slice(0, followed));
      const place = at % length;
      const wanted = place < followed ? 'known' : place === followed ? 'next' : 'gap';
      expect(chain.judge(batches[place])).toBe(wanted);
      expect(chain.leadsTo(batches[place].position)).toBe(place >= followed - 1);
    }),
    { numRuns: runs.updateBatches },
  );
});

test('a writer that lost a race is left out, and a fork is found by the second batch at the latest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: chainHistoryMax - 2 }),
      fc.integer({ min: 2, max: 80 }),
      (common, lost, again) => {
        const batches = chainOf(common + lost);
        const chain = follow(batches);
        const from = batches[common - 1]?.position ?? genesis(1);
        // Numbers are used again, with other batches.
        const fork = chainOf(again, from);
        expect(chain.judge(fork[0])).toBe('known');
        expect(chain.judge(fork[1])).toBe('fork');
        // Whoever looks at the end of the stream finds it at once, unless it is later.
        for (const { position } of fork)
          expect(chain.leadsTo(position)).toBe(position.number > common + lost);
        expect(chain.judge(fork[Math.min(lost, again - 1)])).toBe('fork');
      },
    ),
    { numRuns: runs.updateBatches },
  );
});

test('a stream that was made anew is another one', () => {
  const chain = follow(chainOf(5));
  for (const batch of chainOf(9, genesis(2))) {
    expect(chain.judge(batch)).toBe('fork');
    expect(chain.leadsTo(batch.position)).toBe(false);
  }
  expect(chain.leadsTo(undefined)).toBe(false);
  expect(new Chain(genesis(1)).leadsTo(undefined)).toBe(true);
});
