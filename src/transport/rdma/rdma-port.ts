import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import { sessionWindow } from '../../limits.ts';
import type { DirectHandler } from '../../wire/direct.ts';
import { CompletionLoop } from './completion-loop.ts';
import { attachDevice, closeDevice, type DeviceTokens, type OpenDevice } from './device.ts';
import { type ConnectAnswer, type ConnectRequest, type ReadableShard, toJson } from './handshake.ts';
import { NodeLink } from './node-link.ts';
import { randomPacketNumber } from './queue-pair.ts';
import { completionQueueDepth } from './settings.ts';

/** Most rankers that one worker is connected to at a time: what its completion queue has room for. */
const linksMax: number = Math.floor(completionQueueDepth / (3 * sessionWindow));

/**
 * One worker's end of all its RDMA connections: a domain, a completion queue and queue pairs of its own, which no other
 * thread touches, and its slots, from which replies leave.
 */
export class RdmaPort {
  readonly #verbs: typeof Verbs;
  readonly #handler: DirectHandler;
  readonly #device: OpenDevice;
  readonly #domain: Verbs.ParentDomain;
  readonly #queue: Verbs.CompletionQueue;
  readonly #loop: CompletionLoop;
  /** Replies leave from here: the card may read it, and nobody else may do anything with it. */
  readonly #slots: Verbs.MemoryRegion;
  readonly #shards: readonly ReadableShard[];
  readonly #links: (NodeLink | undefined)[] = [];

  /** @param shards rows that rankers may read without asking */
  constructor(
    verbs: typeof Verbs,
    tokens: DeviceTokens,
    handler: DirectHandler,
    shards: readonly ReadableShard[],
  ) {
    const device = attachDevice(verbs, tokens);
    this.#verbs = verbs;
    this.#handler = handler;
    this.#device = device;
    this.#shards = shards;
    this.#domain = verbs.ParentDomain.allocate(device.domain);
    const channel = new verbs.CompletionChannel(device.context);
    const parent = this.#domain;
    this.#queue = new verbs.CompletionQueue(device.context, {
      depth: Math.min(completionQueueDepth, device.context.attributes.maxCompletions),
      channel,
      parent,
    });
    this.#slots = verbs.MemoryRegion.register(device.domain, handler.slots, verbs.access.localWrite);
    this.#loop = new CompletionLoop(verbs, this.#queue, channel, {
      complete: (completions, at) => this.#complete(completions, at),
      passed: () => this.#passed(),
    });
  }

  /** Whether it has a doorbell of its own. */
  get threadDomain(): boolean {
    return this.#domain.threadDomain;
  }

  /**
   * Connects to a ranker. @param onEnd the connection is lost
   * @returns the answer, JSON, and how to end it @throws OVERLOADED where there is no room
   */
  connect(request: ConnectRequest, onEnd: () => void): { readonly answer: string; readonly end: () => void } {
    const free = this.#links.indexOf(undefined);
    const number = free < 0 ? this.#links.length : free;
    const requestBytes = request.requestBytes;
    const lent =
      number < linksMax
        ? this.#handler.lend(NodeLink.roomBytes(request.replies.count, requestBytes))
        : undefined;
    if (lent === undefined) {
      const message =
        'the worker has no room for another RDMA connection; subrequests may come by the stream';
      throw new FlexemrError('OVERLOADED', message, { field: 'rdma' });
    }
    const packetNumber = randomPacketNumber();
    const link = new NodeLink(
      { verbs: this.#verbs, device: this.#device, domain: this.#domain, queue: this.#queue },
      { handler: this.#handler, loop: this.#loop, slots: this.#slots, lent, number, packetNumber },
      request,
      () => {
        this.#links[number] = undefined;
        onEnd();
      },
    );
    this.#links[number] = link;
    const { gid, mtu, readsInFlight } = this.#device;
    const answer: ConnectAnswer = {
      version: 1,
      queuePair: link.queuePair,
      packetNumber,
      gid: gid.raw,
      mtu,
      readsInFlight,
      requests: link.requests,
      shards: [...this.#shards],
    };
    return { answer: toJson(answer), end: () => link.close() };
  }

  #complete(completions: Uint32Array, at: number): void {
    this.#links[completions[at + 1]]?.complete(completions, at);
  }

  #passed(): void {
    for (const link of this.#links) link?.flush();
  }

  /** Ends every connection, and gives everything back. */
  close(): void {
    for (const link of this.#links) link?.close();
    this.#loop.close();
    this.#slots.close();
    this.#queue.close();
    this.#domain.close();
    closeDevice(this.#device);
  }
}
