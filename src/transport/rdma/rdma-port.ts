import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import { sessionWindow } from '../../limits.ts';
import type { DirectHandler, LentSlots } from '../../wire/direct.ts';
import { PortCounts } from '../port-stats.ts';
import { attachDevice, type DeviceTokens, registerMemory } from './device.ts';
import { Endpoint } from './endpoint.ts';
import { type ConnectAnswer, type ConnectRequest, type ReadableShard, toJson } from './handshake.ts';
import { NodeLink } from './node-link.ts';
import { completionQueueDepth } from './settings.ts';

/** Most rankers that one worker is connected to at a time. The capacity of its completion queue limits it. */
const linksMax: number = Math.floor(completionQueueDepth / (3 * sessionWindow));

/**
 * One worker's end of all its RDMA connections. It has its own domain, completion queue and queue pairs, which no other
 * thread uses. It sends replies from the worker's slots.
 */
export class RdmaPort {
  readonly #handler: DirectHandler;
  readonly #endpoint: Endpoint;
  /** Memory that replies are sent from. Only the card may access it, and no remote side. */
  readonly #slots: Verbs.MemoryRegion;
  /** Rows that rankers which connect from now on may read by READs. */
  shards: readonly ReadableShard[];
  readonly #counts: PortCounts;
  readonly #links = new Set<NodeLink>();

  /** @param shards rows that rankers may read by READs @throws OUT_OF_MEMORY, and errors of the device */
  constructor(
    verbs: typeof Verbs,
    tokens: DeviceTokens,
    handler: DirectHandler,
    shards: readonly ReadableShard[],
    counts: PortCounts = new PortCounts(),
  ) {
    this.#handler = handler;
    this.shards = shards;
    this.#counts = counts;
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

  /** Whether this thread has its own doorbell. */
  get threadDomain(): boolean {
    return this.#endpoint.domain.threadDomain;
  }

  /**
   * Connects to a ranker. @param onEnd called when the connection has ended
   * @returns the answer as JSON, and a function that ends the connection
   * @throws OVERLOADED if there is no capacity for another connection, OUT_OF_MEMORY
   */
  connect(request: ConnectRequest, onEnd: () => void): { readonly answer: string; readonly end: () => void } {
    const requestBytes = request.requestBytes;
    const lent =
      this.#links.size < linksMax
        ? this.#handler.lend(NodeLink.roomBytes(request.replies.count, requestBytes))
        : undefined;
    if (lent === undefined) {
      const message =
        'the worker has no capacity for another RDMA connection; send subrequests by the stream instead';
      throw new FlexemrError('OVERLOADED', message, { field: 'rdma' });
    }
    const link = this.#link(lent, request, onEnd);
    const answer: ConnectAnswer = {
      version: 1,
      ...link.own,
      requests: link.requests,
      shards: this.shards,
    };
    return { answer: toJson(answer), end: () => link.close() };
  }

  #link(lent: LentSlots, request: ConnectRequest, onEnd: () => void): NodeLink {
    const room = {
      handler: this.#handler,
      endpoint: this.#endpoint,
      slots: this.#slots,
      lent,
      counts: this.#counts,
    };
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

  /** Ends every connection, and releases all resources. */
  close(): void {
    for (const link of this.#links) link.close();
    this.#slots.close();
    this.#endpoint.close();
  }
}
