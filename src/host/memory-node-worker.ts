// A worker thread of a memory node. It has its own handler and ports, and shares only the arenas with other threads.
import { parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { drainMsMax } from '../limits.ts';
import { MemoryNode } from '../memory-node/memory-node.ts';
import type { MemoryNodeTuning } from '../memory-node/tuning.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Warn } from '../transport/http-port.ts';
import { Listener } from '../transport/listener.ts';
import { loadVerbs } from '../transport/rdma/device.ts';
import { RdmaPort } from '../transport/rdma/rdma-port.ts';
import { outcomeOf, resultOf, type Warning, type WorkerControl } from './worker-control.ts';

const { name, tuning } = workerData as { readonly name: string; readonly tuning: MemoryNodeTuning };
const ports: { port: number }[] = [];
/** An SDK that the program registers with `--import` is in this thread too. */
const tracer = await outcomeOf(loadTracer);
const node = new MemoryNode(name, ports, { ...tuning, tracer: tracer.value });
const listeners: Listener[] = [];
let rdmaPort: RdmaPort | undefined;

/** Sends a warning to the main thread, which logs it. */
const warn: Warn = (what, message) => parentPort?.postMessage({ warned: what, message } satisfies Warning);

const control: WorkerControl = {
  listen: (own, common) =>
    outcomeOf(async () => {
      resultOf(tracer);
      listeners.push(await Listener.open(node, own, warn));
      if (common) listeners.push(await Listener.open(node, common, warn));
      return listeners[0].port;
    }),
  host: (hosting, all, rdma) =>
    outcomeOf(async () => {
      ports.splice(0, ports.length, ...all.map((port) => ({ port })));
      node.host(hosting);
      if (rdma === undefined) return;
      rdmaPort = new RdmaPort(await loadVerbs(), rdma.device, node, rdma.shards);
      for (const listener of listeners) listener.rdma = rdmaPort;
    }),
  stats: () => node.stats,
  async drain() {
    node.drain();
    const until = performance.now() + drainMsMax;
    while (node.stats.held > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
    await Promise.all(listeners.map((listener) => listener.close()));
    rdmaPort?.close();
  },
};
if (parentPort) Comlink.expose(control, nodeEndpoint(parentPort));
