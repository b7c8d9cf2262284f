// A process with two memory nodes in one thread, which answers the lookups by which costs are measured.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { kernelModule } from '../kernel/files.ts';
import { workerSlotBytesDefault } from '../limits.ts';
import { hostingsOf } from '../memory-node/hostings.ts';
import { hostedShard } from '../memory-node/load-shards.ts';
import { MemoryNode } from '../memory-node/memory-node.ts';
import { fingerprint, planText } from '../plan/fingerprint.ts';
import { numberedShards } from '../plan/routing-table.ts';
import { Store } from '../store/store.ts';
import type { Table } from '../store/table.ts';
import { TableBuilder } from '../store/table-builder.ts';
import { Listener } from '../transport/listener.ts';
import { type CalibrationReady, calibrationNodes, calibrationRouting } from './calibration-plan.ts';
import { Spending } from './spent.ts';

const host = '127.0.0.1';
// The addresses are not part of the fingerprint.
const routing = calibrationRouting([]);
const module = kernelModule('shared');
const store = new Store(module, { slotBytes: calibrationNodes.length * workerSlotBytesDefault });
const expect = routing.tables.reduce((sum, { spec }) => sum + (spec.rows + 2) * spec.dim * 4, 0);
const tables: Table[] = [];
for (const { spec, shards } of routing.tables) {
  const ranges = shards.map(({ begin, end }) => ({ first: begin, rows: end - begin }));
  const builder = new TableBuilder(store, spec, { expect, ranges });
  // Memory that nobody has written to is one page of the system, which is always in the cache.
  await builder.fill('f32', (_, bytes) => void bytes.fill(1));
  tables.push(builder.build());
}
const plan = fingerprint(routing);
const description = { plan: planText(plan), tables: [] };
const hostings = hostingsOf(store, calibrationNodes.length, {
  ...{ module, plan, shards: [], description: { ...description, node: '' } },
});
const ports: number[] = [];
for (const [i, name] of calibrationNodes.entries()) {
  const shards = numberedShards(routing)
    .filter(({ shard }) => shard.node === name)
    .map((numbered) => {
      const { table, shard } = numbered;
      return hostedShard(store, numbered, tables[routing.tables.indexOf(table)], table.shards.indexOf(shard));
    });
  const node = new MemoryNode(name, []);
  node.host({ ...hostings[i], shards, description: { ...description, node: name } });
  ports.push((await Listener.open(node, { host, port: 0 }, undefined)).port);
}
const echo = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (bytes) => socket.write(bytes));
  socket.on('error', () => socket.destroy());
}).listen(0, host);
await once(echo, 'listening');
const { port: echoPort } = echo.address() as AddressInfo;
const spending = new Spending();
process.on('message', async () => process.send?.(await spending.counts()));
// It ends with the process that has started it.
process.on('disconnect', () => process.exit());
process.send?.({ ports, echoPort } satisfies CalibrationReady);
