// A process with one node. Argument: the file of its table.
import { loadHostings } from '../../src/host/file-shards.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Listener } from '../../src/transport/listener.ts';
import { grantsNode, routingOfGrants } from './grants-table.ts';

const [tables] = process.argv.slice(2);
const [hosting] = await loadHostings({ tables, routing: routingOfGrants(), node: grantsNode, workers: 1 });
const node = new MemoryNode(grantsNode, []);
node.host(hosting);
process.send?.({ port: (await Listener.open(node, { host: '127.0.0.1', port: 0 })).port });
process.once('disconnect', () => process.exit());
