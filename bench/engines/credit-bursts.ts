// Credits beside bursts of large replies, over verbs alone. Both ends are in this thread.
import type * as Ibverbs from 'ibverbs-node';

/** Sends bursts: a reply is a WRITE with immediate. */
const replyBytes = 65_536;
const burst = 16;
const creditBytes = 8;
/** Of the credits' own queue pair: a network that tells traffic apart may let it pass. 46 is "expedited forwarding". */
const creditPath = { serviceLevel: 5, trafficClass: 46 << 2 } as const;

/** Where a credit is sent: on the queue pair of the replies, or on one of its own. */
export type CreditPath = 'same' | 'own';

/** How to use the devices of a library. */
export interface Bed {
  readonly verbs: typeof Ibverbs;
  /** Of the node and of the ranker. */
  readonly devices: readonly [string, string];
  readonly gidIndex: number;
  /** Lets the device work, if it does not do so by itself. */
  advance(): void;
}

/** A device with its objects: where replies come from, or where they go to. */
class Side {
  readonly context: Ibverbs.Context;
  readonly domain: Ibverbs.ProtectionDomain;
  readonly region: Ibverbs.MemoryRegion;
  readonly queue: Ibverbs.CompletionQueue;
  readonly gid: Ibverbs.Gid;

  constructor({ verbs, gidIndex }: Bed, device: string, memory: Int32Array) {
    const { localWrite, remoteWrite } = verbs.access;
    this.context = verbs.Context.open(device);
    this.domain = verbs.ProtectionDomain.allocate(this.context);
    this.region = verbs.MemoryRegion.register(this.domain, memory, localWrite | remoteWrite);
    this.queue = new verbs.CompletionQueue(this.context, { depth: 4 * burst });
    this.gid = this.context.gids(1)[gidIndex];
  }

  close(): void {
    for (const part of [this.queue, this.region, this.domain, this.context]) part.close();
  }
}

interface Connection {
  readonly node: Ibverbs.QueuePair;
  readonly ranker: Ibverbs.QueuePair;
}

export class CreditBursts implements Disposable {
  readonly #bed: Bed;
  readonly #node: Side;
  readonly #ranker: Side;
  /** The first word is where a credit arrives. The one at `creditBytes` is sent. Replies come after the first page. */
  readonly #words: Int32Array;
  readonly #connections: Readonly<Record<CreditPath, Connection>>;
  readonly #replies: Uint32Array;
  readonly #receives: Uint32Array;
  readonly #credit: Uint32Array;
  readonly #completions: Uint32Array;
  #credits = 0;

  constructor(bed: Bed) {
    const { verbs } = bed;
    this.#bed = bed;
    const page = 4096;
    this.#words = new Int32Array(new SharedArrayBuffer(page + 2 * replyBytes));
    [this.#node, this.#ranker] = bed.devices.map((device) => new Side(bed, device, this.#words));
    this.#connections = { same: this.#connect({}), own: this.#connect(creditPath) };
    const { writeImmediate, write } = verbs.sendOpcode;
    const reply = this.#request(writeImmediate, page, page + replyBytes, replyBytes);
    this.#replies = new Uint32Array(burst * verbs.REQUEST_WORDS);
    for (let i = 0; i < burst; i++) this.#replies.set(reply, i * verbs.REQUEST_WORDS);
    this.#receives = new Uint32Array(burst * verbs.RECEIVE_WORDS);
    this.#credit = this.#request(write, creditBytes, 0, creditBytes);
    this.#completions = new Uint32Array(4 * burst * verbs.COMPLETION_WORDS);
  }

  #connect(path: { readonly serviceLevel?: number; readonly trafficClass?: number }): Connection {
    const { verbs } = this.#bed;
    const depth = { maxSends: 2 * burst, maxReceives: 2 * burst, maxSge: 1, maxInlineBytes: creditBytes };
    const sides = [this.#node, this.#ranker];
    const [node, ranker] = sides.map(
      ({ domain, queue }) => new verbs.QueuePair(domain, { sendQueue: queue, receiveQueue: queue, ...depth }),
    );
    const { localWrite, remoteWrite } = verbs.access;
    for (const [at, end] of [node, ranker].entries()) {
      const remoteQueuePair = [ranker, node][at].number;
      end.toInit({ port: 1, access: localWrite | remoteWrite });
      end.toReadyToReceive({
        ...{ mtu: 1024, remoteQueuePair, remotePacketNumber: 0, remoteGid: sides[1 - at].gid.raw },
        ...{ gidIndex: sides[at].gid.index, port: 1, maxReadsInFlight: 1, minRnrTimer: 12, ...path },
      });
      end.toReadyToSend({ packetNumber: 0, timeout: 18, retries: 7, rnrRetries: 7, maxReadsInFlight: 1 });
    }
    return { node, ranker };
  }

  /** A request from the node to the ranker, both at offsets in the memory. */
  #request(opcode: number, from: number, to: number, bytes: number): Uint32Array {
    const { REQUEST_WORDS, sendFlags } = this.#bed.verbs;
    const [source, target] = [this.#node.region, this.#ranker.region];
    const [local, remote] = [Number(source.address) + from, Number(target.address) + to];
    const words = new Uint32Array(REQUEST_WORDS);
    const inline = bytes === creditBytes ? sendFlags.inline : 0;
    words.set([opcode, sendFlags.signaled | inline, 0, 0, 0, 1]);
    words.set([remote, remote / 2 ** 32, target.rkey], 6);
    words.set([local, local / 2 ** 32, bytes, source.lkey], 16);
    return words;
  }

  /** @param after so many replies of the burst have arrived when the credit is posted @returns µs until it arrives */
  round(path: CreditPath, after: number): number {
    const { node, ranker } = this.#connections.same;
    ranker.postReceives(this.#receives, burst);
    node.postSends(this.#replies, burst);
    let arrived = 0;
    while (arrived < after) {
      this.#bed.advance();
      arrived += this.#polled(this.#ranker.queue);
    }
    const credits = ++this.#credits;
    this.#words[creditBytes / 4] = credits;
    const posted = performance.now();
    this.#connections[path].node.postSends(this.#credit, 1);
    while (Atomics.load(this.#words, 0) !== credits) this.#bed.advance();
    const us = (performance.now() - posted) * 1000;
    for (let sent = 0; arrived < burst || sent < burst + 1; ) {
      this.#bed.advance();
      arrived += this.#polled(this.#ranker.queue);
      sent += this.#polled(this.#node.queue);
    }
    return us;
  }

  /** @returns how many completions there were */
  #polled(queue: Ibverbs.CompletionQueue): number {
    const { COMPLETION_WORDS, completionStatus } = this.#bed.verbs;
    const polled = queue.poll(this.#completions);
    for (let i = 0; i < polled; i++) {
      const status = this.#completions[i * COMPLETION_WORDS + 2];
      if (status !== 0) throw new Error(`a WRITE failed: ${completionStatus(status)}`);
    }
    return polled;
  }

  [Symbol.dispose](): void {
    for (const { node, ranker } of Object.values(this.#connections))
      for (const end of [node, ranker, this.#node, this.#ranker]) end.close();
  }
}

/** Latencies in µs by where the credits were sent. */
export type Latencies = Readonly<Record<CreditPath, number[]>>;

/** Sends credits by both ways in turn, each after the same number of replies. */
export function measure(bed: Bed, rounds: number): Latencies {
  using bursts = new CreditBursts(bed);
  const latencies: Latencies = { same: [], own: [] };
  const warmUp = Math.ceil(rounds / 10);
  for (let round = -warmUp; round < rounds; round++)
    for (const path of ['same', 'own'] as const) {
      const us = bursts.round(path, (round + warmUp) % burst);
      if (round >= 0) latencies[path].push(us);
    }
  return latencies;
}
