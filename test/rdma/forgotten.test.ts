// A ranker that is not closed does not keep its thread alive, although its connections over RDMA stay open.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { MemoryNodeHost } from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { writeTables } from '../tables-file.ts';
import { onDevice } from './bed.ts';

test('a thread ends after its lookup over RDMA', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-forgotten-'));
  try {
    const file = join(folder, 'a.safetensors');
    const spec = { name: 'a', rows: 8, dim: 4, mode: 'sum' as const };
    await writeTables(file, [{ spec, rows: new Float32Array(32).fill(2) }]);
    const tables = await plannedTables(file, undefined);
    const { routing } = planSharding({ tables, nodes: [{ id: 'n0' }], split: 'table' });
    await using host = await MemoryNodeHost.start({ tables: file, routing, node: 'n0', rdma: {} });
    const workerData = { ...routing, nodes: [{ id: 'n0', url: host.url }] };
    const thread = new Worker(join(import.meta.dirname, 'programs/forgotten.ts'), { workerData });
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
  } finally {
    await rm(folder, { recursive: true });
  }
});
