// A process with one node. Arguments: the file of the tables, and the number of the node.
import { loadHostings } from '../../src/host/file-shards.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Listener } from '../../src/transport/listener.ts';
import { routingOf } from './window-tables.ts';

const [tables, number] = process.argv.slice(2);
const name = `n${number}`;
const [hosting] = await loadHostings({ tables, routing: routingOf(), node: name, workers: 1 });
const node = new MemoryNode(name, []);
node.host(hosting);
process.send?.({ port: (await Listener.open(node, { host: '127.0.0.1', port: 0 })).port });
process.once('disconnect', () => process.exit());
