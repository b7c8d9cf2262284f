// A node is replaced by a node with another file. Its rows are not read for the old plan, although its URL is the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { type FlexemrError, MemoryNodeHost, openRanker } from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { writeTables } from '../tables-file.ts';

const [rows, dim] = [64, 4];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-replaced-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a file in which every row has the value `value`, and makes its plan. */
async function planned(value: number): Promise<{ readonly tables: string; readonly routing: RoutingTable }> {
  const file = join(folder, `${value}.safetensors`);
  const spec = { name: 'a', rows, dim, mode: 'sum' as const };
  await writeTables(file, [{ spec, rows: new Float32Array(rows * dim).fill(value) }]);
  const tables = await plannedTables(file, undefined);
  return { tables: file, routing: planSharding({ tables, nodes: [{ id: 'n0' }], split: 'table' }).routing };
}

test('lookups are stale, and never give rows of the other file', async () => {
  const [old, fresh] = [await planned(1), await planned(1000)];
  const first = await MemoryNodeHost.start({ ...old, node: 'n0', rdma: {} });
  const [port] = first.ports;
  const nodes = [{ id: 'n0', url: first.url }];
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await openRanker({ routing: { ...old.routing, nodes }, transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  const ask = async (): Promise<string> => {
    try {
      const pooled = await ranker.lookup({ a: { keys: [0, 1, 2], offsets: [0] } });
      return [...pooled.values()].map(({ values }) => String(values)).join();
    } catch (error) {
      return (error as FlexemrError).code;
    }
  };
  expect(await ask()).toBe('3,3,3,3');
  await first.close();
  await using _ = await MemoryNodeHost.start({ ...fresh, node: 'n0', port, rdma: {} });
  const seen = new Set<string>();
  await expect
    .poll(async () => {
      seen.add(await ask());
      return transport.connected;
    })
    .toBe(1);
  for (let i = 0; i < 10; i++) seen.add(await ask());
  expect([...seen].filter((outcome) => !['STALE_ROUTING', 'UNAVAILABLE'].includes(outcome))).toEqual([]);
  expect(seen).toContain('STALE_ROUTING');
});
