// A ranker that is not closed does not keep its thread alive, although its connections over RDMA stay open.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Cluster } from '../cluster.ts';
import { onDevice } from './bed.ts';

test('a thread ends after its lookup over RDMA', async () => {
  const spec = { name: 'a', rows: 8, dim: 4, mode: 'sum' as const };
  const tables = [{ spec, rows: new Float32Array(32).fill(2) }];
  await using cluster = await Cluster.start({ tables, nodes: 1, rdma: true });
  const thread = new Worker(join(import.meta.dirname, 'programs/forgotten.ts'), {
    workerData: cluster.routing,
  });
  try {
    let exitCode: number | undefined;
    thread.once('exit', (code) => {
      exitCode = code;
    });
    const [{ values, bytesIn }] = await once(thread, 'message');
    expect(values).toEqual([4, 4, 4, 4, 2, 2, 2, 2]);
    expect(bytesIn).toBeGreaterThan(0);
    // An emulated machine needs longer to end a thread.
    await expect.poll(() => exitCode, { timeout: onDevice ? 20_000 : 1_000 }).toBe(0);
  } finally {
    await thread.terminate();
  }
});
