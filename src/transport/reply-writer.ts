import type { Writable } from 'node:stream';
import { replyPieceBytesMax } from '../limits.ts';
import type { PortCounts } from './port-stats.ts';

interface Leaving {
  readonly reply: Uint8Array;
  /** Bytes of the reply that were written. */
  written: number;
  readonly onLeft: (() => void) | undefined;
}

/**
 * Sends replies in order, to a socket or as one HTTP response. Writing a reply of megabytes takes the system
 * milliseconds, in which no other request is served. So one piece is written per turn of the event loop.
 */
export class ReplyWriter {
  readonly #way: Writable;
  readonly #counts: PortCounts;
  readonly #leaving: Leaving[] = [];
  #ended = false;

  /** @param way a socket, or a response */
  constructor(way: Writable, counts: PortCounts) {
    this.#way = way;
    this.#counts = counts;
  }

  /** Whether the system has not yet taken all replies. */
  get busy(): boolean {
    return this.#leaving.length > 0 || this.#way.writableLength > 0;
  }

  /** Whether more can be written. */
  get writable(): boolean {
    return this.#open && !this.#ended;
  }

  /** Responses report that they are writable even after they were destroyed. */
  get #open(): boolean {
    return this.#way.writable && !this.#way.destroyed;
  }

  /**
   * Does nothing if not writable.
   * @param onLeft called once the system has taken the whole reply, but perhaps never if the socket closes
   */
  write(reply: Uint8Array, onLeft?: () => void): void {
    if (this.writable) this.#begin(reply, onLeft);
  }

  /** Writes the last reply and ends this side of the socket or response. */
  end(reply: Uint8Array, onLeft?: () => void): void {
    if (!this.writable) return;
    this.#ended = true;
    this.#begin(reply, onLeft);
  }

  #begin(reply: Uint8Array, onLeft: (() => void) | undefined): void {
    this.#counts.bytesSent += reply.length;
    if (this.#leaving.length === 0 && reply.length <= replyPieceBytesMax) this.#put(reply, onLeft);
    else if (this.#leaving.push({ reply, written: 0, onLeft }) === 1) this.#turn();
  }

  #turn(): void {
    let room = replyPieceBytesMax;
    while (room > 0 && this.#leaving.length > 0 && this.#open) {
      const [first] = this.#leaving;
      const piece = first.reply.subarray(first.written, first.written + room);
      first.written += piece.length;
      room -= piece.length;
      const whole = first.written === first.reply.length;
      if (whole) this.#leaving.shift();
      this.#put(piece, whole ? first.onLeft : undefined);
    }
    if (this.#leaving.length === 0 || !this.#open) return;
    if (this.#way.writableNeedDrain) this.#way.once('drain', () => this.#later());
    else this.#later();
  }

  #put(piece: Uint8Array, onLeft: (() => void) | undefined): void {
    if (this.#ended && this.#leaving.length === 0) this.#way.end(piece, onLeft);
    else this.#way.write(piece, onLeft);
  }

  #later(): void {
    setImmediate(() => this.#turn());
  }
}
