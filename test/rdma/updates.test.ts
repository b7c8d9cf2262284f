// Rows of tables that take updates are not read by RDMA: their node sends them, and says which updates they have.
import { expect, test } from 'vitest';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { UpdateRecord } from '../../src/memory-node/update-record.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { withUpdates } from '../50.memory-node/updated-hosting.ts';
import { Cluster } from '../cluster.ts';

test('a table that takes updates is asked for by a subrequest, and another one is read', async () => {
  const records = new Map<number, UpdateRecord>();
  const tables = ['updated', 'sealed'].map((name, i) => ({
    spec: { name, rows: 64, dim: 4, mode: 'sum' as const },
    rows: new Float32Array(64 * 4).fill(i + 1),
  }));
  await using cluster = await Cluster.start({
    ...{ tables, nodes: 1, rdma: true },
    adapt(hosting) {
      const updated = withUpdates(hosting, (shard) => shard === 0);
      for (const [shard, record] of updated.records) records.set(shard, record);
      return updated.hosting;
    },
  });
  const [node] = [...cluster.handlers.values()] as MemoryNode[];
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  records.get(0)?.serve({ incarnation: 3, number: 7n });
  const bags = { keys: [0, 1, 2], offsets: [0] };
  const updated = await ranker.lookup({ updated: bags });
  expect([...(updated.get('updated')?.values ?? [])]).toEqual([3, 3, 3, 3]);
  expect([...updated.updates]).toEqual([['updated', [{ shard: 0, incarnation: 3, number: 7n }]]]);
  const answered = node.stats.subrequests;
  expect(answered).toBeGreaterThan(0);
  const sealed = await ranker.lookup({ sealed: bags });
  expect([...(sealed.get('sealed')?.values ?? [])]).toEqual([6, 6, 6, 6]);
  expect(node.stats.subrequests).toBe(answered);
  const both = await ranker.lookup({ updated: bags, sealed: bags });
  expect([...(both.get('sealed')?.values ?? [])]).toEqual([6, 6, 6, 6]);
  expect(both.updates.get('updated')).toEqual([{ shard: 0, incarnation: 3, number: 7n }]);
});
