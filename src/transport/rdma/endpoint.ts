import type * as Verbs from 'ibverbs-node';
import { type CompletionHandler, CompletionLoop } from './completion-loop.ts';
import { closeDevice, type OpenDevice } from './device.ts';
import { completionQueueDepth } from './settings.ts';

/** What one thread does all its RDMA with, and no other thread touches: a domain, and one queue of all completions. */
export class Endpoint {
  readonly verbs: typeof Verbs;
  readonly device: OpenDevice;
  readonly domain: Verbs.ParentDomain;
  readonly queue: Verbs.CompletionQueue;
  readonly loop: CompletionLoop;
  /** As they were made. */
  readonly #parts: { close(): void }[] = [];

  /** @param device this thread's, closed with it, and where this fails @throws IbverbsError */
  constructor(verbs: typeof Verbs, device: OpenDevice, handler: CompletionHandler) {
    this.verbs = verbs;
    this.device = device;
    const { context, domain } = device;
    try {
      this.domain = this.#made(verbs.ParentDomain.allocate(domain));
      const channel = this.#made(new verbs.CompletionChannel(context));
      const depth = Math.min(completionQueueDepth, context.attributes.maxCompletions);
      this.queue = this.#made(new verbs.CompletionQueue(context, { depth, channel, parent: this.domain }));
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

  /** Its connections are closed before. */
  close(): void {
    for (const part of this.#parts.reverse()) part.close();
    closeDevice(this.device);
  }
}
