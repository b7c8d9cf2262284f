// Ends in a given way in given states: node ending.ts WAY STATE… If only threads end, the process tries one state after
// the other, and prints for each how many native objects are alive afterwards.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { CompletionChannel, CompletionQueue, ledger, QueuePair, sendFlags, sendOpcode } from 'ibverbs-node';
import { connect, openFirst, Rig, sendWords, usableGid } from '../rig.ts';

/** A channel that listens, on a queue whose completions come when `write` is called. */
function listening(onEvent: () => void): { rig: Rig; channel: CompletionChannel; write: () => void } {
  const rig = new Rig();
  const channel = new CompletionChannel(rig.context);
  const queue = new CompletionQueue(rig.context, { depth: 16, channel });
  const pair = new QueuePair(rig.domain, {
    sendQueue: queue,
    receiveQueue: queue,
    maxSends: 4,
    maxReceives: 1,
  });
  rig.b.toReset();
  connect(pair, rig.b.number, usableGid(rig.context));
  connect(rig.b, pair.number, usableGid(rig.context));
  rig.context.onAsyncEvent(() => {});
  channel.onEvent(onEvent);
  queue.arm();
  const write = (): void => {
    const remote = { remoteAddress: rig.address(8192), rkey: rig.region.rkey };
    const flags = sendFlags.signaled;
    pair.postSends(sendWords([{ opcode: sendOpcode.write, flags, sges: [rig.sge(0, 8)], ...remote }]), 1);
  };
  return { rig, channel, write };
}

/** Each function calls `ready` when it has reached the state in which to end. */
const states: Record<string, (ready: () => void) => void> = {
  loaded: (ready) => {
    ledger();
    ready();
  },
  open: (ready) => {
    openFirst();
    ready();
  },
  connected: (ready) => {
    new Rig();
    ready();
  },
  listening: (ready) => {
    listening(() => {});
    ready();
  },
  kept: (ready) => {
    listening(() => {}).channel.ref();
    ready();
  },
  told: (ready) => {
    listening(() => {}).write();
    ready();
  },
  'in a callback': (ready) => {
    const { channel, write } = listening(ready);
    channel.ref();
    write();
  },
  outstanding: (ready) => {
    const rig = new Rig();
    rig.send({ opcode: sendOpcode.send, flags: sendFlags.signaled, sges: [rig.sge(0, 8)] });
    rig.receive(1n, rig.sge(0, 8));
    rig.b.toReset();
    ready();
  },
  closing: (ready) => {
    const { channel, rig } = listening(() => {});
    channel.close();
    rig.context.onAsyncEvent(undefined);
    ready();
  },
  'half closed': (ready) => {
    const { rig } = listening(() => {});
    for (const part of rig.parts().slice(0, 5)) part[Symbol.dispose]();
    ready();
  },
};

/** Ends the thread that has reached its state. */
function leave(way: string): void {
  if (way === 'exit' || way === 'exit of a worker') process.exit(0);
  if (way === 'throw in a worker') throw new Error('on purpose');
  if (way === 'terminate') {
    parentPort?.postMessage('ready');
    // Keeps the thread alive until it is terminated.
    setInterval(() => {}, 1);
  }
}

/** Starts a worker that ends, and reports what is alive after it. */
async function outlive(way: string, state: string): Promise<void> {
  const worker = new Worker(import.meta.filename, { workerData: { way, state } });
  worker.on('error', ({ message }) => {
    if (message !== 'on purpose') throw new Error(message);
  });
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  if (way === 'terminate') {
    await once(worker, 'message');
    await worker.terminate();
  }
  await exit;
  console.log(`${state}: ${Object.values(ledger())}`);
}

if (isMainThread) {
  const [way = '', ...chosen] = process.argv.slice(2);
  for (const state of chosen) {
    if (way === 'exit') states[state]?.(() => leave(way));
    else await outlive(way, state);
  }
} else {
  const { way, state } = workerData;
  states[state]?.(() => leave(way));
}
