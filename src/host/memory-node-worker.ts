// A worker thread of a memory node: one handler, its ports, and nothing shared but the arenas.
import { parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { drainMsMax } from '../limits.ts';
import { MemoryNode, type MemoryNodeTuning } from '../memory-node/memory-node.ts';
import { Listener } from '../transport/listener.ts';
import type { WorkerControl } from './worker-control.ts';

const { name, tuning } = workerData as { readonly name: string; readonly tuning: MemoryNodeTuning };
const ports: { port: number }[] = [];
const node = new MemoryNode(name, ports, tuning);
const listeners: Listener[] = [];

const control: WorkerControl = {
  async listen(own, common) {
    listeners.push(await Listener.open(node, own));
    if (common) listeners.push(await Listener.open(node, common));
    return listeners[0].port;
  },
  host(hosting, all) {
    ports.splice(0, ports.length, ...all.map((port) => ({ port })));
    node.host(hosting);
  },
  stats: () => node.stats,
  async drain() {
    node.drain();
    const until = performance.now() + drainMsMax;
    while (node.stats.held > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
    await Promise.all(listeners.map((listener) => listener.close()));
  },
};
if (parentPort) Comlink.expose(control, nodeEndpoint(parentPort));
