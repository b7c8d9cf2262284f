import { addon, type NativeCompletionQueue } from './addon.ts';
import { CompletionChannel } from './completion-channel.ts';
import { Context } from './context.ts';
import { checkNames, i32Max, instance, integer } from './options.ts';
import { ParentDomain } from './parent-domain.ts';

export interface CompletionQueueOptions {
  /** The minimum number of completions that the queue can hold. */
  readonly depth: number;
  /** Is notified of completions when this queue is armed. */
  readonly channel?: CompletionChannel;
  /** The parent domain of the only thread that polls this queue. */
  readonly parent?: ParentDomain;
}

/** Holds completions until they are polled. */
export class CompletionQueue implements Disposable {
  /** @internal */
  readonly native: NativeCompletionQueue;
  /** The depth that the device granted. */
  readonly depth: number;
  readonly #id: number;
  /** The queue references its channel, so that the channel lives as long as the queue. */
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

  /** Writes up to into.length / COMPLETION_WORDS completions to `into`. Allocates nothing. @returns how many */
  poll(into: Uint32Array): number {
    return this.native.poll(into);
  }

  /** Makes the next completion wake the channel. Poll once after arming: earlier completions do not wake it. */
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
