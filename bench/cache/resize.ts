// npm run bench -- cache-resize: a cache becomes small while lookups go on. How long it takes until the memory is back, and
// what lookups take before and meanwhile.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type KeyedBags, openRanker, startLocalCluster } from '../../src/index.ts';
import { describe, environment } from '../environment.ts';
import { quantile } from '../measure.ts';
import { mib, rssOf } from '../serving/memory.ts';
import { writeTables } from '../serving/rows.ts';
import type { TableShape } from '../serving/workload.ts';

/** A power of 2. */
const rows = 2 ** 20;
const table: TableShape = { name: 'a', rows, dim: 128, mode: 'sum', weighted: false };
/** Bags of one key: of the lookups that fill the cache, and of the others. */
const filling = 1_000;
const looking = 64;
const small = 64;
/** Rows that fit in the small cache. */
const hot = 65_536;
/** The share of what is released that must be back. */
const backMin = 0.95;
const watchedMs = 5_000;

export async function run(args: string[]): Promise<void> {
  const { quick } = parseArgs({ args, options: { quick: { type: 'boolean', default: false } } }).values;
  const large = quick ? 256 : 1_024;
  console.log(describe(environment()));
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-resize-'));
  try {
    const file = join(folder, 'tables.safetensors');
    await writeTables(file, [table]);
    await using cluster = await startLocalCluster({ tables: file, nodes: 1 });
    await using ranker = await openRanker({ routing: cluster.routing, cache: `${large}MiB` });
    let drawn = 0;
    // Every row comes once, and then the first ones again.
    const next = (): number => (Math.imul(drawn < rows ? drawn : drawn % hot, 0x9e3779b1) >>> 0) % rows;
    const lookUp = async (bags: number): Promise<number> => {
      const keys = Uint32Array.from({ length: bags }, () => {
        drawn++;
        return next();
      });
      const own: KeyedBags = { a: { keys, lengths: new Uint32Array(bags).fill(1) } };
      const began = performance.now();
      (await ranker.lookup(own))[Symbol.dispose]();
      const ms = performance.now() - began;
      // Lookups that need no node leave no turn to others.
      await new Promise((done) => setImmediate(done));
      return ms;
    };
    while (drawn < rows) await lookUp(filling);
    const before: number[] = [];
    // As long as afterwards, so that as many of them meet the garbage collector.
    const end = performance.now() + watchedMs;
    while (performance.now() < end) before.push(await lookUp(looking));
    const { usedBytes = 0 } = ranker.stats.cache ?? {};
    const filled = rssOf(process.pid);
    const meanwhile: number[] = [];
    const began = performance.now();
    let [resizedMs, backMs] = [0, 0];
    const resized = ranker.resizeCache(`${small}MiB`).then(() => (resizedMs = performance.now() - began));
    const least = filled - backMin * (usedBytes - small * 2 ** 20);
    while (performance.now() - began < watchedMs) {
      meanwhile.push(await lookUp(looking));
      if (backMs === 0 && resizedMs > 0 && rssOf(process.pid) <= least) backMs = performance.now() - began;
    }
    await resized;
    console.log(
      `\n${large} MiB, ${mib(usedBytes)} MiB of them entries, become ${small} MiB; lookups of ${looking} bags`,
    );
    console.log(`RSS ${mib(filled)} MiB before, ${mib(rssOf(process.pid))} MiB after ${watchedMs / 1_000} s`);
    console.log(`the new cache answers after ${resizedMs.toFixed(0)} ms`);
    console.log(
      `${backMin} of what is released is back ${backMs ? `after ${backMs.toFixed(0)} ms` : 'LATER'}`,
    );
    for (const share of [0.5, 0.99])
      console.log(
        `p${share * 100}: ${quantile(before, share).toFixed(3)} ms before, ${quantile(meanwhile, share).toFixed(3)} meanwhile`,
      );
    console.log(
      `most: ${quantile(before, 1).toFixed(1)} ms before, ${quantile(meanwhile, 1).toFixed(1)} meanwhile`,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
