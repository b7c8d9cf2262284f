import * as verbs from 'ibverbs-node';

const depth = 64;
const bytes = 132;

/** Only the verbs of an exchange: a WRITE with immediate in each direction, with the receives and polls for them. */
export class VerbsAlone {
  readonly #context = verbs.Context.open(verbs.devices()[0].name);
  readonly #domain = verbs.ProtectionDomain.allocate(this.#context);
  readonly #memory = new Uint8Array(new SharedArrayBuffer(2 * depth * 256));
  readonly #region: verbs.MemoryRegion;
  readonly #ends: readonly End[];

  constructor() {
    const { localWrite, remoteWrite } = verbs.access;
    this.#region = verbs.MemoryRegion.register(this.#domain, this.#memory, localWrite | remoteWrite);
    this.#ends = [0, 1].map((side) => new End(this.#context, this.#domain, this.#region, side));
    const gid = this.#context.gids(1)[0];
    for (const [i, end] of this.#ends.entries()) end.connect(this.#ends[1 - i], gid);
  }

  /** @returns the CPU ns of one exchange */
  run(exchanges: number): number {
    const [left, right] = this.#ends;
    const batch = 16;
    const before = process.cpuUsage();
    for (let done = 0; done < exchanges; done += batch) {
      left.send(batch);
      right.take(batch);
      right.send(batch);
      left.take(batch);
    }
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / exchanges;
  }

  close(): void {
    for (const end of this.#ends) end.close();
    this.#region.close();
    this.#domain.close();
    this.#context.close();
  }
}

class End {
  readonly #queue: verbs.CompletionQueue;
  readonly #queuePair: verbs.QueuePair;
  readonly #requests = new Uint32Array(depth * verbs.REQUEST_WORDS);
  readonly #receives = new Uint32Array(depth * verbs.RECEIVE_WORDS);
  readonly #completions = new Uint32Array(2 * depth * verbs.COMPLETION_WORDS);

  constructor(
    context: verbs.Context,
    domain: verbs.ProtectionDomain,
    region: verbs.MemoryRegion,
    side: number,
  ) {
    this.#queue = new verbs.CompletionQueue(context, { depth: 1024 });
    const queues = { sendQueue: this.#queue, receiveQueue: this.#queue };
    this.#queuePair = new verbs.QueuePair(domain, { ...queues, maxSends: 2 * depth, maxReceives: 2 * depth });
    const address = Number(region.address);
    for (let i = 0; i < depth; i++) {
      const at = i * verbs.REQUEST_WORDS;
      const local = address + (side * depth + i) * 256;
      const remote = address + ((1 - side) * depth + i) * 256;
      const words = [verbs.sendOpcode.writeImmediate, verbs.sendFlags.signaled, 1, 0, i, 1];
      this.#requests.set(words, at);
      this.#requests.set([remote, remote / 2 ** 32, region.rkey], at + 6);
      this.#requests.set([local, local / 2 ** 32, bytes, region.lkey], at + 16);
    }
  }

  connect(peer: End, gid: verbs.Gid): void {
    const { localWrite, remoteWrite } = verbs.access;
    this.#queuePair.toInit({ port: 1, access: localWrite | remoteWrite });
    this.#queuePair.toReadyToReceive({
      ...{ mtu: 1024, remoteQueuePair: peer.#queuePair.number, remotePacketNumber: 0, remoteGid: gid.raw },
      ...{ gidIndex: gid.index, port: 1, maxReadsInFlight: 1, minRnrTimer: 12 },
    });
    this.#queuePair.toReadyToSend({
      packetNumber: 0,
      timeout: 14,
      retries: 7,
      rnrRetries: 7,
      maxReadsInFlight: 1,
    });
    this.#queuePair.postReceives(this.#receives, depth);
  }

  send(count: number): void {
    this.#queuePair.postSends(this.#requests, count);
  }

  /** Waits for `count` frames. It also polls the completions of earlier sends. */
  take(count: number): void {
    let arrived = 0;
    while (arrived < count) {
      const polled = this.#queue.poll(this.#completions);
      for (let i = 0; i < polled; i++) if (this.#completions[i * verbs.COMPLETION_WORDS] === 0) arrived++;
    }
    this.#queuePair.postReceives(this.#receives, arrived);
  }

  close(): void {
    this.#queuePair.close();
    this.#queue.close();
  }
}
