import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import { sessionWindow } from '../../limits.ts';
import type { DirectHandler, LentSlots } from '../../wire/direct.ts';
import { attachDevice, type DeviceTokens, registerMemory } from './device.ts';
import { Endpoint } from './endpoint.ts';
import { type ConnectAnswer, type ConnectRequest, type ReadableShard, toJson } from './handshake.ts';
import { NodeLink } from './node-link.ts';
import { completionQueueDepth } from './settings.ts';

/** Most rankers that one worker is connected to at a time: what its completion queue has room for. */
const linksMax: number = Math.floor(completionQueueDepth / (3 * sessionWindow));

/**
 * One worker's end of all its RDMA connections: a domain, a completion queue and queue pairs of its own, which no other
 * thread touches, and its slots, from which replies leave.
 */
export class RdmaPort {
  readonly #handler: DirectHandler;
  readonly #endpoint: Endpoint;
  /** Replies leave from here: the card may read it, and nobody else may do anything with it. */
  readonly #slots: Verbs.MemoryRegion;
  readonly #shards: readonly ReadableShard[];
  readonly #links = new Set<NodeLink>();

  /** @param shards rows that rankers may read without asking @throws OUT_OF_MEMORY, and what the device refuses */
  constructor(
    verbs: typeof Verbs,
    tokens: DeviceTokens,
    handler: DirectHandler,
    shards: readonly ReadableShard[],
  ) {
    this.#handler = handler;
    this.#shards = shards;
    this.#endpoint = new Endpoint(verbs, attachDevice(verbs, tokens));
    try {
      this.#slots = registerMemory(verbs, this.#endpoint.device, handler.slots, verbs.access.localWrite);
    } catch (error) {
      this.#endpoint.close();
      throw error;
    }
  }

  get plan(): string {
    return this.#handler.describe().plan;
  }

  /** Whether it has a doorbell of its own. */
  get threadDomain(): boolean {
    return this.#endpoint.domain.threadDomain;
  }

  /**
   * Connects to a ranker. @param onEnd the connection is lost
   * @returns the answer, JSON, and how to end it @throws OVERLOADED where there is no room, OUT_OF_MEMORY
   */
  connect(request: ConnectRequest, onEnd: () => void): { readonly answer: string; readonly end: () => void } {
    const requestBytes = request.requestBytes;
    const lent =
      this.#links.size < linksMax
        ? this.#handler.lend(NodeLink.roomBytes(request.replies.count, requestBytes))
        : undefined;
    if (lent === undefined) {
      const message =
        'the worker has no room for another RDMA connection; subrequests may come by the stream';
      throw new FlexemrError('OVERLOADED', message, { field: 'rdma' });
    }
    const link = this.#link(lent, request, onEnd);
    const answer: ConnectAnswer = {
      version: 1,
      ...link.own,
      requests: link.requests,
      shards: this.#shards,
    };
    return { answer: toJson(answer), end: () => link.close() };
  }

  #link(lent: LentSlots, request: ConnectRequest, onEnd: () => void): NodeLink {
    const room = { handler: this.#handler, endpoint: this.#endpoint, slots: this.#slots, lent };
    const ended = (): void => {
      this.#links.delete(link);
      onEnd();
    };
    let link: NodeLink;
    try {
      link = new NodeLink(room, request, ended);
      this.#links.add(link);
      return link;
    } catch (error) {
      lent.release();
      throw error;
    }
  }

  /** Ends every connection, and gives everything back. */
  close(): void {
    for (const link of this.#links) link.close();
    this.#slots.close();
    this.#endpoint.close();
  }
}
