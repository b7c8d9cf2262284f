// A cluster changes while rankers read its rows: they learn the regions of the new release, and forget those of the freed one.
import { ledger } from 'ibverbs-node';
import { expect, test, vi } from 'vitest';
import type { Ranker } from '../../src/index.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { RdmaSession } from '../../src/transport/rdma/rdma-session.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { roll, version } from '../82.cluster/roll.ts';
import { Asking, codesOf, VersionedCluster, versionOf } from '../82.cluster/versioned.ts';

async function subrequests({ hosts }: VersionedCluster): Promise<number> {
  const stats = await Promise.all(hosts.map((host) => host.stats()));
  return stats.flat().reduce((sum, worker) => sum + worker.subrequests, 0);
}

/** Looks up rows of a table without an index. @returns their sum, and how many subrequests that took */
async function readRows(cluster: VersionedCluster, ranker: Ranker): Promise<[sum: number, asked: number]> {
  const before = await subrequests(cluster);
  using lookup = await ranker.lookup({ plain: { keys: [1, 1_000, 2_999], offsets: [0] } });
  const [{ values }] = [...lookup.values()];
  return [values[0], (await subrequests(cluster)) - before];
}

test('rows of each new release are read on the same connections, and regions of freed ones end', async () => {
  await using cluster = await VersionedCluster.start({ nodes: 2, workers: 1, rdma: true });
  const connecting = vi.spyOn(RdmaSession.prototype, 'connect');
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(2);
  expect(await readRows(cluster, ranker)).toEqual([3, 0]);
  const before = ledger();
  using asking = new Asking(ranker);
  for (const number of [2, 3, 4]) {
    expect(await roll(cluster, version(cluster, number), 'flip')).toEqual(['begin', 'flip']);
    // Regions of both are registered: two tables without an index, on two nodes.
    await expect.poll(() => versionOf(ranker, 1)).toBe(number);
    expect(ledger().memoryRegions).toBe(before.memoryRegions + 4);
    expect(await roll(cluster, version(cluster, number))).toEqual(['end']);
    await expect.poll(() => ledger()).toEqual(before);
  }
  const { versions, failures } = await asking.stop();
  expect(codesOf(failures)).toEqual([]);
  expect([...versions.keys()]).toEqual([1, 2, 3, 4]);
  expect(await readRows(cluster, ranker)).toEqual([12, 0]);
  expect(ranker.stats.retries).toBe(0);
  expect(transport.connected).toBe(2);
  expect(connecting).toHaveBeenCalledTimes(2);
});

test('a ranker that connects during a swap, or sees it taken back, reads rows of what is served', async () => {
  await using cluster = await VersionedCluster.start({ nodes: 1, workers: 1, rdma: true });
  await roll(cluster, version(cluster, 2), 'flip');
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  await expect.poll(() => readRows(cluster, ranker)).toEqual([6, 0]);
  expect(await roll(cluster, 'back')).toEqual(['abort', 'end']);
  expect(await readRows(cluster, ranker)).toEqual([3, 0]);
});
