import type * as Verbs from 'ibverbs-node';
import { CompletionLoop } from './completion-loop.ts';
import { closeDevice, type OpenDevice } from './device.ts';
import { completionQueueDepth } from './settings.ts';

/** What one connection does with its completions. */
export interface Link {
  /** One completion: words [at, at + COMPLETION_WORDS) of `completions`. */
  complete(completions: Uint32Array, at: number): void;
  /** Posts what is ready. */
  flush(): void;
}

/** What one thread does all its RDMA with, and no other thread touches: a domain, and one queue of all completions. */
export class Endpoint {
  readonly verbs: typeof Verbs;
  readonly device: OpenDevice;
  readonly domain: Verbs.ParentDomain;
  readonly queue: Verbs.CompletionQueue;
  readonly loop: CompletionLoop;
  /** By number: the high word of their completions' ids. */
  readonly #links = new Map<number, Link>();
  #lastNumber = 0;
  /** As they were made. */
  readonly #parts: { close(): void }[] = [];

  /** @param device this thread's, closed with it, and where this fails @throws IbverbsError */
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

  /** Completions of this number are the link's. A number is given once: what a closed connection left behind is nobody's. */
  enroll(link: Link): number {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#links.has(this.#lastNumber));
    this.#links.set(this.#lastNumber, link);
    return this.#lastNumber;
  }

  dismiss(number: number): void {
    this.#links.delete(number);
  }

  /** Its connections are closed before. */
  close(): void {
    for (const part of this.#parts.reverse()) part.close();
    closeDevice(this.device);
  }
}
