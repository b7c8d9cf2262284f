// Large replies leave in pieces: whatever is on its way beside them, each comes out whole.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { replyPieceBytesMax } from '../../src/limits.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { checkPooled } from './check-pooled.ts';
import { random } from './random.ts';

const dim = 256;
const rows = 2_000;
/** Rows of replies that are just about so many pieces, and of any others. */
const piece = replyPieceBytesMax / (dim * 4 + 4);
const keyCount = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, more]) => Math.round(n * piece) + more),
  fc.integer({ min: 1, max: 8_000 }),
);

test('replies of any sizes on one connection come out whole', async () => {
  const next = random(3);
  const spec = { name: 't', rows, dim, mode: 'none' } as const;
  const tables = [{ spec, rows: new Float32Array(rows * dim).map(() => next() / 2 ** 32) }];
  await using cluster = await Cluster.start({ tables, nodes: 1, workers: 1 });
  await using local = await cluster.tables();
  const transport = new StreamTransport(new HttpTransport(), {}, () => 'small');
  await using ranker = await cluster.ranker({ transport, pushDown: 'always' });
  const many = fc.array(keyCount, { minLength: 1, maxLength: 12 });
  const property = fc.asyncProperty(many, fc.nat(rows), async (counts, first) => {
    const asked = counts.map((count) => {
      return {
        t: { keys: Uint32Array.from({ length: count }, (_, i) => (first + i * 7) % rows), offsets: [0] },
      };
    });
    const got = await Promise.all(asked.map((bags) => ranker.lookup(bags)));
    for (const [i, lookup] of got.entries()) {
      const wanted = (await local.lookup(asked[i])).get('t');
      if (wanted === undefined) throw new Error('there is nothing to compare with');
      checkPooled(`lookup ${i} of ${counts}`, lookup.get('t'), wanted);
      lookup[Symbol.dispose]();
    }
  });
  await fc.assert(property, { numRuns: runs.replyMixtures });
  expect(ranker.stats.bytesIn).toBeGreaterThan(replyPieceBytesMax);
});
