// The thread of a memory node that writes row updates. It has kernels of its own, and shares the arenas with the workers.
import { once } from 'node:events';
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError } from '../errors.ts';
import { failureOf } from '../failure.ts';
import type { Log } from '../log.ts';
import { NodeUpdates, type Reload } from '../memory-node/node-updates.ts';
import { RowsWriterGate } from '../memory-node/writer-gate.ts';
import type { ChainEnd } from '../updates/batch.ts';
import { LazyUpdateLog } from './lazy-update-log.ts';
import type { ReloadRequest, Said, UpdateControl, UpdateThreadData } from './update-control.ts';
import { type Outcome, outcomeOf, resultOf } from './worker-control.ts';

const { choice, gate } = workerData as UpdateThreadData;

/** The main thread logs it. What an error has besides its message stays here. */
function say(level: Said['level'], { err, ...what }: { err?: unknown }, said: string): void {
  const failure = err instanceof FlexemrError ? { err: failureOf(err) } : {};
  parentPort?.postMessage({ level, what: { ...what, ...failure }, said } satisfies Said);
}

const log: Log = {
  debug: () => {},
  info: (what, said) => say('info', what, said),
  warn: (what, said) => say('warn', what, said),
  error: (what, said) => say('warn', what, said),
};

async function reload(chain: string): ReturnType<Reload> {
  const { port1, port2 } = new MessageChannel();
  parentPort?.postMessage({ reload: chain, outcomeTo: port2 } satisfies ReloadRequest, [port2]);
  try {
    const [outcome] = await once(port1, 'message');
    return resultOf(outcome as Outcome<ChainEnd | undefined>);
  } finally {
    port1.close();
  }
}

const memories: WebAssembly.Memory[] = [];
const updateLog = new LazyUpdateLog(choice);
const updates = new NodeUpdates(updateLog, new RowsWriterGate(gate), reload, log);

const control: UpdateControl = {
  host(hosting) {
    memories.push(...hosting.memories);
    return outcomeOf(() => updates.host({ ...hosting, memories }));
  },
  caughtUp: () => outcomeOf(() => updates.caughtUp()),
  stats: () => updates.stats,
  async close() {
    await updates.close();
    await updateLog.close();
  },
};
if (parentPort) Comlink.expose(control, nodeEndpoint(parentPort));
