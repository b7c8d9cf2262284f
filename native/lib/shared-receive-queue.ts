import { addon, type NativeSharedReceiveQueue } from './addon.ts';
import { checkNames, i32Max, instance, integer } from './options.ts';
import { ParentDomain } from './parent-domain.ts';
import { ProtectionDomain } from './protection-domain.ts';
import { sgeMax } from './request.ts';

export interface SharedReceiveQueueOptions {
  /** The maximum number of outstanding receives. */
  readonly maxReceives: number;
  /** SGEs of a receive; default 4. */
  readonly maxSge?: number;
}

/** A queue of receives that several queue pairs share. */
export class SharedReceiveQueue implements Disposable {
  /** @internal */
  readonly native: NativeSharedReceiveQueue;

  constructor(domain: ProtectionDomain | ParentDomain, options: SharedReceiveQueueOptions) {
    const parent = instance('domain', domain, ProtectionDomain, ParentDomain);
    checkNames(options, ['maxReceives', 'maxSge']);
    this.native = new (addon().SharedReceiveQueue)(parent.native, {
      maxReceives: integer('maxReceives', options.maxReceives, 1, i32Max),
      maxSge: integer('maxSge', options.maxSge ?? sgeMax, 1, sgeMax),
    });
  }

  /**
   * Posts `count` requests (RECEIVE_WORDS each). Allocates nothing.
   * @throws IbverbsError with `posted`: how many were posted before the error
   */
  postReceives(requests: Uint32Array, count: number): void {
    this.native.postReceives(requests, count);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
