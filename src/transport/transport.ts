// What a ranker knows about transports: frames go to a worker, and replies come back. It does not depend on a runtime.
import { FlexemrError } from '../errors.ts';
import type { NodeDescription } from '../wire/handler.ts';
import type { TraceContext } from '../wire/trace.ts';

/** Rows of one shard to read, one per key. Keys are row numbers of the table. */
export interface RowRead {
  /** Fingerprint of the routing table that the node must serve. */
  readonly plan: bigint;
  readonly shard: number;
  /** Version of the table. */
  readonly version: number;
  readonly keys: Uint32Array;
  readonly rowBytes: number;
}

/** A subrequest to send. The transport chooses the memory that it is written to. */
export interface Outgoing {
  readonly bytes: number;
  /** Expected length of the reply, and length of the longest valid reply. */
  readonly replyBytes: number;
  readonly replyBytesMax: number;
  /** The rows that it asks for; undefined unless it asks only for existing rows. Transports may read them directly. */
  readonly reads?: readonly RowRead[] | undefined;
  /** Where its current attempt is in a trace. The frame says so too. */
  readonly trace?: TraceContext | undefined;
  /** The id that its reply must carry. Default: the connection chooses one below 2^31. */
  readonly id?: number | undefined;
  /**
   * Writes all of it from word `at` of `words`. May be called again, to send it again.
   * @param id the id that its reply must carry
   * @param exposed nothing detects bits that change on the way, so the frame needs a checksum
   * @param held the worker keeps the reply until it is granted; default: it sends the reply as soon as it is ready
   */
  write(words: Uint32Array, at: number, id: number, exposed: boolean, held?: boolean): void;
}

/** A received reply, in memory that stays valid until it is released. Releasing it is optional. */
export interface Received {
  readonly bytes: Uint8Array;
  /** Its memory may be used again. Later calls do nothing. */
  release(): void;
}

/** A reply in memory that the garbage collector frees. */
export function unpooled(bytes: Uint8Array): Received {
  return { bytes, release: () => {} };
}

/** The error of a subrequest that was cancelled. */
export function unwanted(): FlexemrError {
  return new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more');
}

/** One subrequest in flight. */
export interface Exchange {
  /** @throws UNAVAILABLE if the worker cannot be reached or its connection is lost */
  readonly reply: Promise<Received>;
  /** Whether a reply takes no memory if it comes after `cancel`. */
  readonly dropsReply?: boolean;
  /** The reply may be sent. Only of subrequests that were sent as held. */
  grant?(): void;
  /**
   * Nobody waits for the reply any more: `reply` fails with CANCELLED.
   * @returns once the worker has answered anyway, or never will. Until then, the subrequest is in flight
   */
  cancel(): Promise<void>;
}

/**
 * What bounds the memory for a reply. `own`: the transport has memory for it already. `hold`: the worker keeps the reply until it
 * is granted. `reserve`: nothing, so the subrequest may be sent only when there is memory for its reply.
 */
export type ReplyBound = 'own' | 'hold' | 'reserve';

/** Sends subrequests to one worker. It connects when there is something to send. */
export interface Session {
  /** What bounds the memory for the reply, if the subrequest is sent now. Default: `reserve`. */
  replyBound?(outgoing: Outgoing): ReplyBound;
  /** Whether it can read rows directly at the moment. If so, subrequests that ask only for rows are worthwhile. */
  readonly readsRows?: boolean;
  /** @param held the reply must wait for its grant; only if `replyBound` says `hold` */
  send(outgoing: Outgoing, held?: boolean): Exchange;
  /** Connects before there is something to send. An error shows when something is sent. */
  connect?(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes that went through sockets, including headers. `fetch` and loopback count only frames. */
export interface Traffic {
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export interface Transport {
  readonly name: string;
  session(url: string): Session;
  /** Asks a node what it holds and where its workers listen. @throws UNAVAILABLE, UNAUTHORIZED */
  describe(url: string): Promise<NodeDescription>;
  /** Traffic of all its sessions. */
  traffic(): Traffic;
  /** Closes every session. */
  close(): Promise<void>;
}

/** Whether frames to this address use TLS, which detects every bit that changes on the way. */
export function isTls(url: string): boolean {
  return new URL(url).protocol === 'https:';
}
