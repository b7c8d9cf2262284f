// A process with some of the nodes of the big table. Arguments: its file, the first node, and the number of nodes.
import { loadHostings } from '../../src/host/file-shards.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Listener } from '../../src/transport/listener.ts';
import { routingOf } from './big-table.ts';

const [tables, first, count] = process.argv.slice(2);
const routing = routingOf();
const ports: number[] = [];
for (let i = Number(first); i < Number(first) + Number(count); i++) {
  const [hosting] = await loadHostings({ tables, routing, node: `n${i}`, workers: 1 });
  const node = new MemoryNode(`n${i}`, []);
  node.host(hosting);
  ports.push((await Listener.open(node, { host: '127.0.0.1', port: 0 })).port);
}
process.send?.({ ports });
process.once('disconnect', () => process.exit());
