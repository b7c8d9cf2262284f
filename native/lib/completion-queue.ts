import { addon, type NativeCompletionQueue } from './addon.ts';
import { CompletionChannel } from './completion-channel.ts';
import { Context } from './context.ts';
import { checkNames, i32Max, instance, integer } from './options.ts';
import { ParentDomain } from './parent-domain.ts';

export interface CompletionQueueOptions {
  /** Completions that it holds at least. */
  readonly depth: number;
  /** Hears of completions when this queue is armed. */
  readonly channel?: CompletionChannel;
  /** The domain of the only thread that polls this queue. */
  readonly parent?: ParentDomain;
}

/** Where completions are, until they are polled. */
export class CompletionQueue implements Disposable {
  /** @internal */
  readonly native: NativeCompletionQueue;
  /** As granted. */
  readonly depth: number;
  readonly #id: number;
  /** Whoever holds a queue keeps its channel. */
  readonly #channel: CompletionChannel | undefined;

  constructor(context: Context, options: CompletionQueueOptions) {
    const parent = instance('context', context, Context);
    checkNames(options, ['depth', 'channel', 'parent']);
    const { channel, parent: domain } = options;
    if (channel !== undefined) instance('channel', channel, CompletionChannel);
    if (domain !== undefined) instance('parent', domain, ParentDomain);
    this.native = new (addon().CompletionQueue)(parent.native, {
      depth: integer('depth', options.depth, 1, i32Max),
      channel: channel?.native,
      parent: domain?.native,
    });
    const { depth, id } = this.native.describe();
    this.depth = depth;
    this.#id = id;
    this.#channel = channel;
    channel?.introduce(id, this);
  }

  /** Writes up to into.length / COMPLETION_WORDS completions. @returns how many. Allocates nothing. */
  poll(into: Uint32Array): number {
    return this.native.poll(into);
  }

  /** The next completion wakes the channel; poll once more after it. */
  arm(solicitedOnly = false): void {
    this.native.arm(solicitedOnly);
  }

  close(): void {
    this.#channel?.introduce(this.#id, undefined);
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
