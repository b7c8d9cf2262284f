import type * as Verbs from 'ibverbs-node';
import { CompletionLoop } from './completion-loop.ts';
import { closeDevice, type OpenDevice } from './device.ts';
import { completionQueueDepth } from './settings.ts';

/** One connection, which handles its own completions. */
export interface Link {
  /** Handles one completion: words [at, at + COMPLETION_WORDS) of `completions`. */
  complete(completions: Uint32Array, at: number): void;
  /** Posts what is ready. */
  flush(): void;
}

/** The domain and the completion queue that one thread uses for all its RDMA. No other thread uses them. */
export class Endpoint {
  readonly verbs: typeof Verbs;
  readonly device: OpenDevice;
  readonly domain: Verbs.ParentDomain;
  readonly queue: Verbs.CompletionQueue;
  readonly loop: CompletionLoop;
  /** Links by their number, which is the high word of the ids of their completions. */
  readonly #links = new Map<number, Link>();
  #lastNumber = 0;
  /** In the order of their creation. */
  readonly #parts: { close(): void }[] = [];

  /** @param device belongs to this thread; it is closed with the endpoint, or if this fails @throws IbverbsError */
  constructor(verbs: typeof Verbs, device: OpenDevice) {
    this.verbs = verbs;
    this.device = device;
    const { context, domain } = device;
    try {
      this.domain = this.#made(verbs.ParentDomain.allocate(domain));
      const channel = this.#made(new verbs.CompletionChannel(context));
      const depth = Math.min(completionQueueDepth, context.attributes.maxCompletions);
      this.queue = this.#made(new verbs.CompletionQueue(context, { depth, channel, parent: this.domain }));
      const handler = {
        complete: (completions: Uint32Array, at: number) =>
          this.#links.get(completions[at + 1])?.complete(completions, at),
        passed: () => {
          for (const link of this.#links.values()) link.flush();
        },
      };
      this.loop = this.#made(new CompletionLoop(verbs, this.queue, channel, handler));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #made<T extends { close(): void }>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /**
   * Gives the link a number, and sends it the completions with this number. A new link gets a new number, so that late
   * completions of a closed connection reach no other link.
   */
  enroll(link: Link): number {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#links.has(this.#lastNumber));
    this.#links.set(this.#lastNumber, link);
    return this.#lastNumber;
  }

  dismiss(number: number): void {
    this.#links.delete(number);
  }

  /** All its connections must be closed before. */
  close(): void {
    for (const part of this.#parts.reverse()) part.close();
    closeDevice(this.device);
  }
}
