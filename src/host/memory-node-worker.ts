// A worker thread of a memory node. It has its own handler and ports, and shares only the arenas with other threads.
import { once } from 'node:events';
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError } from '../errors.ts';
import { drainMsMax, metricsMsMax } from '../limits.ts';
import { MemoryNode } from '../memory-node/memory-node.ts';
import { WorkerGate } from '../memory-node/worker-gate.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Warn } from '../transport/http-port.ts';
import { Listener } from '../transport/listener.ts';
import { PortCounts } from '../transport/port-stats.ts';
import { loadVerbs } from '../transport/rdma/device.ts';
import { RdmaPort } from '../transport/rdma/rdma-port.ts';
import {
  type MetricsRequest,
  outcomeOf,
  resultOf,
  type Warning,
  type WorkerControl,
  type WorkerTuning,
} from './worker-control.ts';

const { name, tuning } = workerData as { readonly name: string; readonly tuning: WorkerTuning };
const ports: { port: number }[] = [];
/** An SDK that the program registers with `--import` is in this thread too. */
const tracer = await outcomeOf(loadTracer);
const gate = tuning.gate && new WorkerGate(tuning.gate.words, tuning.gate.worker);
const node = new MemoryNode(name, ports, { ...tuning, tracer: tracer.value, gate });
const memories: WebAssembly.Memory[] = [];
const listeners: Listener[] = [];
let rdmaPort: RdmaPort | undefined;
/** Resolved once no subrequest and no READ uses the rows of a release that is no longer served. */
let leaving: Promise<unknown> = Promise.resolve();

/** Sends a warning to the main thread, which logs it. */
const warn: Warn = (what, message) => parentPort?.postMessage({ warned: what, message } satisfies Warning);

/** Asks the main thread for the metrics of all workers. @throws UNAVAILABLE */
async function metrics(): Promise<string> {
  const { port1, port2 } = new MessageChannel();
  parentPort?.postMessage({ metricsTo: port2 } satisfies MetricsRequest, [port2]);
  try {
    const [text] = await once(port1, 'message', { signal: AbortSignal.timeout(metricsMsMax) });
    return text;
  } catch (cause) {
    const message = `the node has not collected its metrics within ${metricsMsMax} ms; try again`;
    throw new FlexemrError('UNAVAILABLE', message, { field: 'node', value: name, cause });
  } finally {
    port1.close();
  }
}

const room = { counts: new PortCounts(), metrics };

const control: WorkerControl = {
  listen: (own, common) =>
    outcomeOf(async () => {
      resultOf(tracer);
      listeners.push(await Listener.open(node, own, warn, room));
      if (common) listeners.push(await Listener.open(node, common, warn, room));
      return listeners[0].port;
    }),
  host: ({ module, memories: added, releases, coming, next, ports: all, rdma }) =>
    outcomeOf(async () => {
      ports.splice(0, ports.length, ...all.map((port) => ({ port })));
      memories.push(...added);
      const [current, ...others] = releases.map((release) => ({ ...release, module, memories }));
      const unused = node.host(current, ...others);
      leaving = Promise.all([leaving, unused]);
      node.following = { coming, next };
      if (rdma === undefined) return;
      if (rdmaPort !== undefined) leaving = Promise.all([leaving, rdmaPort.offer(rdma.releases)]);
      else rdmaPort = new RdmaPort(await loadVerbs(), rdma.device, node, rdma.releases, room.counts);
      for (const listener of listeners) listener.rdma = rdmaPort;
    }),
  async unused() {
    await leaving;
  },
  stats() {
    const connections = listeners.reduce((sum, listener) => sum + listener.connections, 0);
    return { ...node.stats, ...room.counts.stats(connections), ready: Number(node.ready) };
  },
  async drain() {
    node.drain();
    const until = performance.now() + drainMsMax;
    while (node.stats.held > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
    await Promise.all(listeners.map((listener) => listener.close()));
    rdmaPort?.close();
  },
};
if (parentPort) Comlink.expose(control, nodeEndpoint(parentPort));
