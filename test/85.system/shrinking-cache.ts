// A process whose ranker has a large cache, which becomes small. It says how many bytes are resident before and after.
import { Cluster } from '../cluster.ts';

const rows = 2 ** 17;
const dim = 128;
const data = new Float32Array(rows * dim).fill(1);
const cluster = await Cluster.start({
  tables: [{ spec: { name: 't', rows, dim, mode: 'sum' }, rows: data }],
  ...{ nodes: 1, ports: false },
});
const ranker = await cluster.ranker({ transport: 'loopback', cache: '160MiB' });
const lookUp = async (first: number): Promise<void> => {
  const keys = Uint32Array.from({ length: 1_024 }, (_, i) => (first + i) % rows);
  (await ranker.lookup({ t: { keys, lengths: new Uint32Array(1_024).fill(1) } }))[Symbol.dispose]();
};
for (let first = 0; first < rows; first += 1_024) await lookUp(first);
const entries = ranker.stats.cache?.usedBytes ?? 0;
const before = process.memoryUsage.rss();
await ranker.resizeCache('1MiB');
const until = performance.now() + 20_000;
// What was collected is given back a moment later, by another thread.
const isResident = (): boolean =>
  ranker.stats.cacheReleasedBytes > 0 || process.memoryUsage.rss() > before - 0.95 * entries;
for (let first = 0; isResident() && performance.now() < until; first += 1_024) {
  await lookUp(first);
  await new Promise((done) => setTimeout(done, 10));
}
const after = process.memoryUsage.rss();
process.stdout.write(JSON.stringify({ entries, before, after, released: ranker.stats.cacheReleasedBytes }));
await ranker.close();
await cluster[Symbol.asyncDispose]();
