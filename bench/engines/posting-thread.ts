// A thread that posts small WRITEs through queue pairs of its own, one per call, as an engine with a frame for one of
// many nodes does.
import { workerData } from 'node:worker_threads';
import * as verbs from 'ibverbs-node';
import { control, type PostingTask } from './posting.ts';

const { layout, queuePairs, seed, contexts, domains, memory, regions, shared, at, threads }: PostingTask =
  workerData;
/** Bytes of a WRITE: a credit or a small frame. They are posted inline. */
const bytes = 32;
const depth = 64;
/** Of so many WRITEs of a queue pair, one is signalled. Completions are polled as often. */
const signalEvery = 16;

const [near, far] = contexts.map((token) => verbs.Context.attach(token));
const [domain, farDomain] = domains.map((token) => verbs.ProtectionDomain.attach(token));
const parent = layout === 'own' ? verbs.ParentDomain.allocate(domain) : undefined;
const queue = new verbs.CompletionQueue(near, { depth: depth * queuePairs, ...(parent && { parent }) });
const farQueue = new verbs.CompletionQueue(far, { depth: 1 });

/** The requests of one queue pair: one that is signalled, and one that is not. */
interface Posts {
  readonly pair: verbs.QueuePair;
  /** The far end, which only exists. */
  readonly target: verbs.QueuePair;
  readonly signaled: Uint32Array;
  readonly silent: Uint32Array;
  posted: number;
}

function connect(from: verbs.QueuePair, to: verbs.QueuePair, own: verbs.Gid, { raw }: verbs.Gid): void {
  const { localWrite, remoteWrite } = verbs.access;
  from.toInit({ port: 1, access: localWrite | remoteWrite });
  from.toReadyToReceive({
    ...{ mtu: 1024, remoteQueuePair: to.number, remotePacketNumber: 0, remoteGid: raw, gidIndex: own.index },
    ...{ port: 1, maxReadsInFlight: 1, minRnrTimer: 12 },
  });
  from.toReadyToSend({ packetNumber: 0, timeout: 14, retries: 7, rnrRetries: 7, maxReadsInFlight: 1 });
}

function open(index: number): Posts {
  const options = { maxSends: depth, maxReceives: 1, maxSge: 1, maxInlineBytes: bytes };
  const pair = new verbs.QueuePair(parent ?? domain, { sendQueue: queue, receiveQueue: queue, ...options });
  const target = new verbs.QueuePair(farDomain, { sendQueue: farQueue, receiveQueue: farQueue, ...options });
  const [own, other] = [near.gids(1)[0], far.gids(1)[0]];
  connect(pair, target, own, other);
  connect(target, pair, other, own);
  // The far end of a queue pair has memory of its own, so that threads share nothing but doorbells.
  const address = memory + (at * queuePairs + index) * 2 * bytes;
  const request = (flags: number): Uint32Array => {
    const words = new Uint32Array(verbs.REQUEST_WORDS);
    words.set([verbs.sendOpcode.write, flags | verbs.sendFlags.inline, 0, 0, 0, 1]);
    words.set([address, address / 2 ** 32, regions.rkey], 6);
    words.set([address + bytes, (address + bytes) / 2 ** 32, bytes, regions.lkey], 16);
    return words;
  };
  return { pair, target, signaled: request(verbs.sendFlags.signaled), silent: request(0), posted: 0 };
}

const posts = Array.from({ length: queuePairs }, (_, index) => open(index));
const completions = new Uint32Array(depth * queuePairs * verbs.COMPLETION_WORDS);
const status = 2;
let random = seed;

/** Sixteen posts take a few µs. If they took longer than this, another program had the processor. */
const takenMs = 0.05;

/** Posts to queue pairs in a random order, until the first thread of this burst has posted so many. */
function post(burst: number, first: number): { readonly rate: number; readonly cpus: number } {
  const began = performance.now();
  let count = 0;
  let now = began;
  let taken = 0;
  while (count < first && Atomics.load(shared, control.ended) < burst) {
    for (let i = 0; i < signalEvery; i++) {
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const next = posts[(random >>> 0) % queuePairs];
      const signals = ++next.posted % signalEvery === 0;
      next.pair.postSends(signals ? next.signaled : next.silent, 1);
    }
    count += signalEvery;
    const polled = queue.poll(completions);
    for (let i = 0; i < polled; i++)
      if (completions[i * verbs.COMPLETION_WORDS + status] !== 0) throw new Error('a WRITE failed');
    const ms = performance.now() - now;
    now += ms;
    if (ms > takenMs) taken += ms;
  }
  Atomics.store(shared, control.ended, burst);
  const ms = now - began;
  // One that has posted far less than the first did not begin with it.
  const cpus = count < first / 2 ? 0 : 1 - taken / ms;
  return { rate: count === 0 ? 0 : (count * 1000) / ms, cpus };
}

/** Then another thread may need this processor to begin. */
const spinsMax = 20_000;
const asleep = new Int32Array(new SharedArrayBuffer(4));
const results = new Float64Array(shared.buffer, control.bytes);
for (let round = 1; ; round++) {
  Atomics.add(shared, control.ready, 1);
  Atomics.notify(shared, control.ready);
  Atomics.wait(shared, control.round, round - 1);
  if (Atomics.load(shared, control.round) < 0) break;
  const bursts = Atomics.load(shared, control.bursts);
  for (let burst = 1; burst <= bursts; burst++) {
    // All begin at the same time, on their processors.
    Atomics.add(shared, control.awake, 1);
    for (let spins = 0; Atomics.load(shared, control.awake) < burst * threads; spins++)
      if (spins > spinsMax) Atomics.wait(asleep, 0, 0, 0.1);
    const { rate, cpus } = post(burst, Atomics.load(shared, control.posts));
    results.set([rate, cpus], ((burst - 1) * threads + at) * control.results);
  }
}
for (const { pair, target } of posts) for (const end of [pair, target]) end.close();
for (const one of [queue, farQueue, parent, domain, farDomain, near, far]) one?.close();
