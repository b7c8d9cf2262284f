import {
  replyBytesMax,
  retryAfterMsDefault,
  sessionWindow,
  smallSubrequestBytesMax,
  subrequestBytesMax,
  subrequestKeysMax,
  unfinishedSubrequestsMax,
  workerSubrequestsMax,
} from '../limits.ts';
import type { NodeDescription } from '../wire/handler.ts';
import type { WireError } from '../wire/reply.ts';

/** A refusal for now: there is no place, or no room. */
export const overloaded: WireError = { code: 'OVERLOADED', retryAfterMs: retryAfterMsDefault };

/**
 * The places of a worker. A subrequest that is whole has one of many; one whose bytes are still to come has one of a number of
 * its own, so that who announces much and sends nothing keeps no place from those who do.
 */
export class Places {
  readonly #roomBytes: number;
  #whole = 0;
  #unfinished = 0;
  #unfinishedBytes = 0;
  #lentBytes = 0;

  /** @param roomBytes of slots for frames and replies */
  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  /** Subrequests held, whole or not. */
  get held(): number {
    return this.#whole + this.#unfinished;
  }

  /** Whole subrequests that there is still a place for. */
  get free(): number {
    return workerSubrequestsMax - this.#whole;
  }

  /** Takes a place for a frame whose bytes are to come. @returns whether there is one */
  begin(bytes: number): boolean {
    // Peers that announce large frames and dawdle over them leave room for the others.
    const isLarge = bytes > smallSubrequestBytesMax;
    if (isLarge && this.#unfinishedBytes + bytes > this.#roomBytes / 2) return false;
    if (this.free <= 0 || this.#unfinished >= unfinishedSubrequestsMax) return false;
    this.#unfinished++;
    this.#unfinishedBytes += bytes;
    return true;
  }

  /** The frame that began is whole, or will not be. */
  end(bytes: number): void {
    this.#unfinished--;
    this.#unfinishedBytes -= bytes;
  }

  /** A whole frame takes a place, and gives it back. */
  take(): void {
    this.#whole++;
  }

  give(): void {
    this.#whole--;
  }

  /** Lends room to who writes there by himself. @returns whether there is some */
  lend(bytes: number): boolean {
    if (this.#lentBytes + bytes > this.#roomBytes / 4) return false;
    this.#lentBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#lentBytes -= bytes;
  }
}

/** What a worker takes at once. @param room bytes of its slots for frames and replies */
export function limitsOf(room: number): NodeDescription['limits'] {
  return {
    // So that the largest of both, and what a key needs beside them, fit together.
    subrequestBytes: Math.min(subrequestBytesMax, Math.floor(room / 5)),
    replyBytes: Math.min(replyBytesMax, Math.floor(room / 2)),
    subrequestKeys: subrequestKeysMax,
    sessionWindow,
  };
}
