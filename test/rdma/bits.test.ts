// Golden cases and the example give the same bits over RDMA as in one process.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheBytesMin } from '../../src/limits.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { golden, type Known, movielens } from '../70.ranker/known.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { onDevice } from './bed.ts';

/** Lookups take many times as long in the guest, so fewer settings are tested there. */
const pushDowns = onDevice ? (['auto'] as const) : (['always', 'never', 'auto'] as const);
const hosts: readonly (readonly [name: string, nodes: number, workers: number])[] = [
  ['2 nodes in this thread', 2, 0],
  ...(onDevice ? [] : [['2 nodes of 2 threads', 2, 2] as const]),
];

let known: Known;
let wanted: readonly object[][];
beforeAll(async () => {
  const all = [await golden(), await movielens()];
  known = { tables: all.flatMap(({ tables }) => tables), lookups: all.flatMap(({ lookups }) => lookups) };
  await using alone = await Cluster.start({ tables: known.tables, nodes: 1, ports: false });
  await using tables = await alone.tables();
  wanted = await Promise.all(known.lookups.map(async (bags) => bits(await tables.lookup(bags))));
});

describe.for(hosts)('whole tables on %s', ([, nodes, workers]) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ tables: known.tables, nodes, workers, rdma: true });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test.for(pushDowns)('give the same bits, pushed down: %s', async (pushDown) => {
    const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
    await using ranker = await cluster.ranker({ transport, pushDown });
    await expect.poll(() => transport.connected).toBe(nodes * Math.max(1, workers));
    const lookups = known.lookups.map((bags) => ranker.lookup(bags, { deadline: 300_000 }));
    const got = await Promise.all(lookups);
    expect(got.length).toBe(wanted.length);
    for (const [i, lookup] of got.entries()) expectBits(bits(lookup), wanted[i]);
  });

  test.skipIf(onDevice)('give the same bits with a cache', async () => {
    const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
    await using ranker = await cluster.ranker({ transport, cache: { size: cacheBytesMin, admit: 'all' } });
    await expect.poll(() => transport.connected).toBe(nodes * Math.max(1, workers));
    for (let times = 0; times < 2; times++) {
      for (const [i, lookup] of known.lookups.entries()) {
        const [one, again] = await Promise.all([ranker.lookup(lookup), ranker.lookup(lookup)]);
        for (const got of [one, again, await ranker.lookup(lookup)]) expectBits(bits(got), wanted[i]);
      }
    }
    const { hits = 0, evicted = 0 } = ranker.stats.cache ?? {};
    expect(hits).toBeGreaterThan(0);
    expect(evicted).toBeGreaterThan(0);
  });
});
