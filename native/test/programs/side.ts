// A thread with one end of a connection. It attaches to a context and a domain, writes its bytes to the other end, and
// ends when it has received all immediates of the other end.
import { parentPort, workerData } from 'node:worker_threads';
import {
  CompletionChannel,
  CompletionQueue,
  Context,
  ParentDomain,
  ProtectionDomain,
  QueuePair,
  sendFlags,
  sendOpcode,
  type Token,
} from 'ibverbs-node';
import { completionsOf, connect, receiveWords, sendWords, until, usableGid } from '../rig.ts';

/** The data for one side. `side` is 0 or 1. In each round it writes 8 bytes, from `side` · 32 KiB on. */
export interface Side {
  readonly side: number;
  readonly rounds: number;
  readonly context: Token;
  readonly domain: Token;
  readonly address: bigint;
  readonly lkey: number;
  readonly rkey: number;
}

const { side, rounds, context: contextToken, domain: domainToken, address, lkey, rkey }: Side = workerData;
const port = parentPort;
if (!port) throw new Error('not a worker');

const context = Context.attach(contextToken);
const domain = ProtectionDomain.attach(domainToken);
const parent = ParentDomain.allocate(domain);
const channel = new CompletionChannel(context);
const queue = new CompletionQueue(context, { depth: 64, channel, parent });
const pair = new QueuePair(parent, { sendQueue: queue, receiveQueue: queue, maxSends: 16, maxReceives: 16 });

let sent = 0;
let heard = 0;
const words = new Uint32Array(64 * 8);

function receive(count: number): void {
  const receives = Array.from({ length: count }, () => ({ id: 0n, sges: [] }));
  pair.postReceives(receiveWords(receives), count);
}

/** Takes all completions, which must have succeeded. */
function drain(): void {
  for (const { status, immediate, id } of completionsOf(words, queue.poll(words))) {
    if (status !== 'SUCCESS') throw new Error(`side ${side}: ${status}`);
    if (id === 1n) sent++;
    else if (immediate === heard++) receive(1);
    else throw new Error(`side ${side}: immediate ${immediate} out of order`);
  }
}

/** Drains completions until `holds()` returns true. */
function drained(holds: () => boolean): Promise<void> {
  return until(() => {
    drain();
    return holds();
  });
}

function write(round: number): void {
  const at = address + BigInt(side * 32768 + round * 8);
  const sges = [{ address: address + 131072n + BigInt(side * 8), bytes: 8, lkey }];
  const request = { opcode: sendOpcode.writeImmediate, flags: sendFlags.signaled, id: 1n, immediate: round };
  pair.postSends(sendWords([{ ...request, sges, remoteAddress: at, rkey }]), 1);
}

channel.onEvent(() => {
  queue.arm();
  drain();
});

port.postMessage(pair.number);
port.once('message', async (remote: number) => {
  connect(pair, remote, usableGid(context));
  receive(16);
  port.postMessage('connected');
  await new Promise((resolve) => port.once('message', resolve));
  queue.arm();
  for (let round = 0; round < rounds; round++) {
    write(round);
    await drained(() => sent === round + 1);
  }
  await drained(() => heard === rounds);
  for (const part of [context, domain, parent, channel, queue, pair]) part.close();
  port.postMessage('done');
});
