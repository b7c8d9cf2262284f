import {
  addon,
  type NativeCompletionQueue,
  type NativeQueuePair,
  type NativeSharedReceiveQueue,
} from './addon.ts';
import { CompletionQueue } from './completion-queue.ts';
import {
  type InitOptions,
  initOptions,
  type ReadyToReceiveOptions,
  type ReadyToSendOptions,
  readyToReceiveOptions,
  readyToSendOptions,
} from './connection.ts';
import { checkNames, i32Max, instance, integer } from './options.ts';
import { ParentDomain } from './parent-domain.ts';
import { mtuBytes } from './port.ts';
import { ProtectionDomain } from './protection-domain.ts';
import { sgeMax } from './request.ts';
import { SharedReceiveQueue } from './shared-receive-queue.ts';

export interface QueuePairOptions {
  readonly sendQueue: CompletionQueue;
  readonly receiveQueue: CompletionQueue;
  /** The pair takes its receives from this queue instead of its own. */
  readonly sharedReceives?: SharedReceiveQueue;
  /** The maximum number of outstanding sends. */
  readonly maxSends: number;
  /** The maximum number of outstanding receives. Has no effect together with sharedReceives. */
  readonly maxReceives: number;
  /** SGEs of a request; default 4. */
  readonly maxSge?: number;
  /** Default: 0. */
  readonly maxInlineBytes?: number;
}

/** The options as C++ takes them. */
export interface QueuePairRequest {
  readonly sendQueue: NativeCompletionQueue;
  readonly receiveQueue: NativeCompletionQueue;
  readonly sharedReceives: NativeSharedReceiveQueue | undefined;
  readonly maxSends: number;
  readonly maxReceives: number;
  readonly maxSge: number;
  readonly maxInlineBytes: number;
}

export interface QueuePairAttributes {
  readonly state: 'reset' | 'init' | 'rtr' | 'rts' | 'sqd' | 'sqe' | 'error';
  /** Bytes; 0 until it is known. */
  readonly mtu: number;
  readonly serviceLevel: number;
  readonly trafficClass: number;
  readonly retries: number;
  readonly timeout: number;
}

const states = ['reset', 'init', 'rtr', 'rts', 'sqd', 'sqe', 'error'] as const;
const optionNames: readonly string[] = [
  ...['sendQueue', 'receiveQueue', 'sharedReceives', 'maxSends', 'maxReceives', 'maxSge', 'maxInlineBytes'],
];

function request(options: QueuePairOptions): QueuePairRequest {
  checkNames(options, optionNames);
  const { sharedReceives } = options;
  if (sharedReceives !== undefined) instance('sharedReceives', sharedReceives, SharedReceiveQueue);
  return {
    sendQueue: instance('sendQueue', options.sendQueue, CompletionQueue).native,
    receiveQueue: instance('receiveQueue', options.receiveQueue, CompletionQueue).native,
    sharedReceives: sharedReceives?.native,
    maxSends: integer('maxSends', options.maxSends, 0, i32Max),
    maxReceives: integer('maxReceives', options.maxReceives, 0, i32Max),
    maxSge: integer('maxSge', options.maxSge ?? sgeMax, 1, sgeMax),
    maxInlineBytes: integer('maxInlineBytes', options.maxInlineBytes ?? 0, 0, i32Max),
  };
}

/** A reliable connection (RC). It has one method for each state transition. */
export class QueuePair implements Disposable {
  /** @internal */
  readonly native: NativeQueuePair;
  readonly number: number;
  /** The number that the device granted. */
  readonly maxInlineBytes: number;
  /** The pair references its queues, because their channels only have weak references to them. */
  readonly sendQueue: CompletionQueue;
  readonly receiveQueue: CompletionQueue;

  constructor(domain: ProtectionDomain | ParentDomain, options: QueuePairOptions) {
    const parent = instance('domain', domain, ProtectionDomain, ParentDomain);
    this.native = new (addon().QueuePair)(parent.native, request(options));
    const { number, maxInlineBytes } = this.native.describe();
    this.number = number;
    this.maxInlineBytes = maxInlineBytes;
    this.sendQueue = options.sendQueue;
    this.receiveQueue = options.receiveQueue;
  }

  toInit(options: InitOptions): void {
    this.native.toInit(initOptions(options));
  }

  toReadyToReceive(options: ReadyToReceiveOptions): void {
    this.native.toReadyToReceive(readyToReceiveOptions(options));
  }

  toReadyToSend(options: ReadyToSendOptions): void {
    this.native.toReadyToSend(readyToSendOptions(options));
  }

  /** Everything outstanding completes with WR_FLUSH_ERR. */
  toError(): void {
    this.native.toError();
  }

  /** Drops everything outstanding. */
  toReset(): void {
    this.native.toReset();
  }

  query(): QueuePairAttributes {
    const { state, mtu, ...rest } = this.native.query();
    return { ...rest, state: states[state] ?? 'error', mtu: mtuBytes(mtu) };
  }

  /**
   * Posts `count` requests (REQUEST_WORDS each) with one doorbell. Allocates nothing.
   * @throws IbverbsError with `posted`: how many were posted before the error
   */
  postSends(requests: Uint32Array, count: number): void {
    this.native.postSends(requests, count);
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
