import { addon, type NativeCompletionChannel } from './addon.ts';
import type { CompletionQueue } from './completion-queue.ts';
import { Context } from './context.ts';
import { instance, listenerOf } from './options.ts';

/**
 * Wakes this thread's event loop when an armed completion queue gets a completion. Does not keep the process alive
 * unless ref() was called.
 */
export class CompletionChannel implements Disposable {
  /** @internal */
  readonly native: NativeCompletionChannel;
  /** Queues by id. The references are weak, because the users of a queue own it. */
  readonly #queues = new Map<number, WeakRef<CompletionQueue>>();
  #listener: ((queue: CompletionQueue) => void) | undefined;

  constructor(context: Context) {
    const parent = instance('context', context, Context);
    this.native = new (addon().CompletionChannel)(parent.native);
    this.native.onevent = (id) => this.#tell(id);
  }

  /** Calls `listener` once each time that an armed queue gets a completion. Replaces the listener before it. */
  onEvent(listener: (queue: CompletionQueue) => void): void {
    this.#listener = listenerOf('listener', listener);
    this.native.listen();
  }

  /** Keeps the process and this channel alive until unref() or close(). */
  ref(): void {
    this.native.keepAlive(true);
  }

  unref(): void {
    this.native.keepAlive(false);
  }

  close(): void {
    this.#queues.clear();
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Adds a queue that notifies this channel. `undefined` removes the queue that has this id. @internal */
  introduce(id: number, queue: CompletionQueue | undefined): void {
    if (queue) this.#queues.set(id, new WeakRef(queue));
    else this.#queues.delete(id);
  }

  #tell(id: number): void {
    const queue = this.#queues.get(id)?.deref();
    if (queue) this.#listener?.(queue);
    else this.#queues.delete(id);
  }
}
