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

/** A temporary refusal: there is no place or no space now. */
export const overloaded: WireError = { code: 'OVERLOADED', retryAfterMs: retryAfterMsDefault };

/**
 * The places of a worker. Complete subrequests and subrequests whose bytes are still to come are counted separately, so
 * that a peer that announces many subrequests but sends nothing takes no place from other peers.
 */
export class Places {
  readonly #roomBytes: number;
  #whole = 0;
  #unfinished = 0;
  #unfinishedBytes = 0;
  #lentBytes = 0;

  /** @param roomBytes bytes of slots for frames and replies */
  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  /** Number of subrequests held, complete or not. */
  get held(): number {
    return this.#whole + this.#unfinished;
  }

  /** Number of complete subrequests that still find a place. */
  get free(): number {
    return workerSubrequestsMax - this.#whole;
  }

  /** Takes a place for a frame whose bytes are still to come. @returns false if there is none */
  begin(bytes: number): boolean {
    // Large frames get at most half of the space, so that peers that send them slowly leave space for other peers.
    const isLarge = bytes > smallSubrequestBytesMax;
    if (isLarge && this.#unfinishedBytes + bytes > this.#roomBytes / 2) return false;
    if (this.free <= 0 || this.#unfinished >= unfinishedSubrequestsMax) return false;
    this.#unfinished++;
    this.#unfinishedBytes += bytes;
    return true;
  }

  /** Frees the place of `begin`: the frame is complete, or it will never be. */
  end(bytes: number): void {
    this.#unfinished--;
    this.#unfinishedBytes -= bytes;
  }

  /** Takes a place for a complete frame. `give` frees it. */
  take(): void {
    this.#whole++;
  }

  give(): void {
    this.#whole--;
  }

  /** Lends space to a peer that writes to it directly. @returns false if there is not enough */
  lend(bytes: number): boolean {
    if (this.#lentBytes + bytes > this.#roomBytes / 4) return false;
    this.#lentBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#lentBytes -= bytes;
  }
}

/** The limits of a worker. @param room bytes of its slots for frames and replies */
export function limitsOf(room: number): NodeDescription['limits'] {
  return {
    // The largest frame, the largest reply and the memory for their keys must fit into the slots together.
    subrequestBytes: Math.min(subrequestBytesMax, Math.floor(room / 5)),
    replyBytes: Math.min(replyBytesMax, Math.floor(room / 2)),
    subrequestKeys: subrequestKeysMax,
    sessionWindow,
  };
}
