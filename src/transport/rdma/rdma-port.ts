import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import { sessionWindow } from '../../limits.ts';
import type { DirectHandler, LentSlots } from '../../wire/direct.ts';
import { PortCounts } from '../port-stats.ts';
import type { AcceptedLink } from './accept.ts';
import { attachDevice, type DeviceTokens, registerMemory } from './device.ts';
import { Endpoint } from './endpoint.ts';
import {
  type ConnectAnswer,
  type ConnectRequest,
  knownFrom,
  type ReadableRelease,
  type ReadableRows,
  toJson,
} from './handshake.ts';
import type { RowsList } from './known-rows.ts';
import { NodeLink } from './node-link.ts';
import { completionQueueDepth } from './settings.ts';

/** Most rankers that one worker is connected to at a time. The capacity of its completion queue limits it. */
const linksMax: number = Math.floor(completionQueueDepth / (3 * sessionWindow + 1));

/** The rows of all releases that a worker serves, the current one first. */
export type ReadableReleases = readonly [ReadableRelease, ...ReadableRelease[]];

/**
 * One worker's end of all its RDMA connections. It has its own domain, completion queue and queue pairs, which no other
 * thread uses. It sends replies from the worker's slots.
 */
export class RdmaPort {
  readonly #handler: DirectHandler;
  readonly #endpoint: Endpoint;
  /** Memory that replies are sent from. Only the card may access it, and no remote side. */
  readonly #slots: Verbs.MemoryRegion;
  /** Rows that rankers may read by READs. */
  #releases: ReadableReleases;
  #list: RowsList;
  readonly #counts: PortCounts;
  readonly #links = new Set<NodeLink>();

  /** @param releases rows that rankers may read by READs @throws OUT_OF_MEMORY, and errors of the device */
  constructor(
    verbs: typeof Verbs,
    tokens: DeviceTokens,
    handler: DirectHandler,
    releases: ReadableReleases,
    counts: PortCounts = new PortCounts(),
  ) {
    this.#handler = handler;
    this.#releases = releases;
    this.#list = listOf(0, releases);
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
    return this.#releases[0].plan;
  }

  /**
   * Rankers may read the rows of these releases from now on, and no others.
   * @returns once no ranker reads rows of others any more
   */
  async offer(releases: ReadableReleases): Promise<void> {
    const { number, line } = this.#list;
    if (listOf(number, releases).line === line) return;
    this.#releases = releases;
    this.#list = listOf((number + 1) % knownFrom, releases);
    await Promise.all([...this.#links].map((link) => link.rows.tell(this.#list)));
  }

  /** Whether this thread has its own doorbell. */
  get threadDomain(): boolean {
    return this.#endpoint.domain.threadDomain;
  }

  /**
   * Connects to a ranker. @param onEnd called when the connection has ended
   * @throws OVERLOADED if there is no capacity for another connection, OUT_OF_MEMORY
   */
  connect(request: ConnectRequest, onEnd: () => void): AcceptedLink {
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
      shards: this.#releases[0].shards,
    };
    const listed = this.#releases;
    const follow = (say: (line: string) => void): void => {
      link.rows.follow(say);
      if (listed.length > 1 || listed !== this.#releases) void link.rows.tell(this.#list);
    };
    return { answer: toJson(answer), follow, end: () => link.close() };
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

function listOf(number: number, releases: ReadableReleases): RowsList {
  return { number, line: JSON.stringify({ number, releases } satisfies ReadableRows) };
}
