// A process with one node. Arguments: the file of the tables, the number of the node, ms between two replies (0: it is not slow).
import { loadHostings } from '../../src/host/hostings.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { SimulatedWorker } from '../../src/simulation/worker.ts';
import { Listener } from '../../src/transport/listener.ts';
import { routingOf } from './window-tables.ts';

const [tables, number, text] = process.argv.slice(2);
const replyMs = Number(text);
const name = `n${number}`;
const [hosting] = await loadHostings({ tables, routing: routingOf(), node: name, workers: 1 });
const node = new MemoryNode(name, []);
node.host(hosting);
let freeAt = 0;
const health = {
  /** Replies wait for each other, without using the processor that other processes need. */
  replyMs: () => {
    const now = performance.now();
    freeAt = replyMs === 0 ? 0 : Math.max(freeAt, now) + replyMs;
    return Math.max(0, freeAt - now);
  },
  full: false,
  onOverload: () => {},
};
const { port } = await Listener.open(new SimulatedWorker(node, health), { host: '127.0.0.1', port: 0 });
process.send?.({ port });
process.on('message', () => {
  const { held, slotBytes, slotBytesFree } = node.stats;
  process.send?.({ held, bytes: slotBytes - slotBytesFree });
});
process.once('disconnect', () => process.exit());
