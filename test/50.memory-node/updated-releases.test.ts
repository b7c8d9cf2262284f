// Releases come and go while rows change. Shards that two of them have in common go on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { NodeUpdates } from '../../src/memory-node/node-updates.ts';
import { WorkerGate } from '../../src/memory-node/worker-gate.ts';
import { makeGate } from '../../src/memory-node/write-gate.ts';
import { RowsWriterGate } from '../../src/memory-node/writer-gate.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import type { Cluster } from '../cluster.ts';
import { batchOf, changingTables, startChanging } from './changing-tables.ts';
import { updatedReleases } from './updated-releases.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startChanging();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

async function write(log: MemoryLog, routing: RoutingTable, i: number): Promise<void> {
  const chain = chainName(numberedShards(routing)[i]);
  const end = (await endOf(log, chain, log.made)) ?? { sequence: 0, position: genesis(log.made) };
  const rows = batchOf(changingTables[i], Number(end.position.number) + 1);
  await log.append(chain, writeBatch(rows, end, 1).bytes, end.sequence);
}

test('shards of two releases go on with their chains, and others are followed no longer than their release', async () => {
  const { file: tables, routing } = cluster;
  // The first table in another version has a chain of its own.
  const [first, ...others] = routing.tables;
  const next = { ...routing, tables: [{ ...first, version: 2 }, ...others] };
  const log = new MemoryLog();
  const releases = updatedReleases();
  const gate = makeGate(1);
  const node = new MemoryNode('n0', [], { gate: new WorkerGate(gate, 0) });
  const updates = new NodeUpdates(log, new RowsWriterGate(gate), (chain) => releases.reload(chain));
  const hosting = (plan: string) => releases.hostings(plan)[0];
  const numbers = (): string[] =>
    node.describe().tables.map(({ shards: [{ updates: at }] }) => `${at?.incarnation} ${at?.number}`);
  const rest = (number: number): string[] => others.map(() => `1 ${number}`);
  try {
    const old = await releases.load({ routing, tables });
    node.host(hosting(old));
    await updates.host(releases.updatesOf([old]));
    for (const i of changingTables.keys()) await write(log, routing, i);
    await expect.poll(numbers).toEqual(['1 1', ...rest(1)]);
    const fresh = await releases.load({ routing: next, tables });
    await write(log, next, 0);
    await updates.host(releases.updatesOf([old, fresh]));
    await updates.caughtUp();
    node.host(hosting(fresh), hosting(old));
    expect(numbers()).toEqual(['1 1', ...rest(1)]);
    await write(log, next, 0);
    for (const i of changingTables.keys()) if (i > 0) await write(log, next, i);
    await expect.poll(numbers).toEqual(['1 2', ...rest(2)]);
    await node.host(hosting(fresh));
    await updates.host(releases.updatesOf([fresh]));
    releases.free(old);
    const { applied } = updates.stats;
    // Nobody has this shard any more.
    await write(log, routing, 0);
    for (const i of changingTables.keys()) await write(log, next, i);
    await expect.poll(numbers).toEqual(['1 3', ...rest(3)]);
    expect(updates.stats).toMatchObject({ applied: applied + changingTables.length, refused: 0, reloads: 0 });
  } finally {
    await updates.close();
  }
});

test('a table that takes updates is planned from its file', async () => {
  const { file: tables, routing } = cluster;
  const unknown = routing.tables.map(({ content: _, ...table }) => table);
  const releases = updatedReleases();
  await expect(releases.load({ routing: { ...routing, tables: unknown }, tables })).rejects.toMatchObject({
    code: 'INVALID_ROUTING',
    field: 'updates',
  });
});
