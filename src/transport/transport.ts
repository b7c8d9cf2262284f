// What a ranker knows of transports: frames go to a worker and replies come back. It names no runtime.
import type { NodeDescription } from '../wire/handler.ts';

/** Rows of one shard, by their numbers in the table, one a key. */
export interface RowRead {
  /** Fingerprint of the routing table, which the node has to serve. */
  readonly plan: bigint;
  readonly shard: number;
  /** Of the table. */
  readonly version: number;
  readonly keys: Uint32Array;
  readonly rowBytes: number;
}

/** A subrequest on its way: the transport says where it is to be written. */
export interface Outgoing {
  readonly bytes: number;
  /** About how long the reply will be, and what no right reply is longer than. */
  readonly replyBytes: number;
  readonly replyBytesMax: number;
  /** All it asks for, where that is nothing but rows that are there: a transport may read them by itself. */
  readonly reads?: readonly RowRead[] | undefined;
  /**
   * Writes all of it from word `at` of `words`. May be called again, to send it again.
   * @param id what its reply must carry @param exposed nothing on the way finds bits that change: the frame needs a checksum
   */
  write(words: Uint32Array, at: number, id: number, exposed: boolean): void;
}

/** A reply that has come, in memory that stays until it is released; nobody has to. */
export interface Received {
  readonly bytes: Uint8Array;
  /** Its memory may be used again. Once; later calls do nothing. */
  release(): void;
}

/** A reply in memory that the garbage collector takes back. */
export function unpooled(bytes: Uint8Array): Received {
  return { bytes, release: () => {} };
}

/** One subrequest under way. */
export interface Exchange {
  /** @throws UNAVAILABLE where the worker cannot be reached or went away */
  readonly reply: Promise<Received>;
  /**
   * Nobody waits for it any more: `reply` fails with CANCELLED.
   * @returns once the worker has answered all the same, or will not: until then it is under way
   */
  cancel(): Promise<void>;
}

/** The way to one worker; it connects when there is something to send. */
export interface Session {
  /** It may read rows by itself, just now: subrequests for nothing else are worth it. */
  readonly readsRows?: boolean;
  send(outgoing: Outgoing): Exchange;
  close(): Promise<void>;
}

/** Bytes that went through sockets, headers included; of `fetch` and loopback, frames alone. */
export interface Traffic {
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export interface Transport {
  readonly name: string;
  session(url: string): Session;
  /** Asks a node what it holds and where its workers listen. @throws UNAVAILABLE, UNAUTHORIZED */
  describe(url: string): Promise<NodeDescription>;
  /** What all its sessions have moved. */
  traffic(): Traffic;
  /** Closes every session. */
  close(): Promise<void>;
}

/** Whether frames to this address go by TLS, which finds every bit that changes on the way. */
export function isTls(url: string): boolean {
  return new URL(url).protocol === 'https:';
}
