import type { Writable } from 'node:stream';
import { replyPieceBytesMax } from '../limits.ts';

interface Leaving {
  readonly reply: Uint8Array;
  /** Bytes of it that were written. */
  written: number;
  readonly onLeft: (() => void) | undefined;
}

/**
 * Replies on their way out, in order: into a socket, or one into a response. Writing one of megabytes takes the system
 * milliseconds, in which nobody else is served: it goes a piece a turn of the event loop.
 */
export class ReplyWriter {
  readonly #way: Writable;
  readonly #leaving: Leaving[] = [];
  #ended = false;

  /** @param way a socket, or a response */
  constructor(way: Writable) {
    this.#way = way;
  }

  /** Whether replies wait that the system has not taken. */
  get busy(): boolean {
    return this.#leaving.length > 0 || this.#way.writableLength > 0;
  }

  /** Whether more can be written. */
  get writable(): boolean {
    return this.#open && !this.#ended;
  }

  /** Responses call themselves writable even once they are destroyed. */
  get #open(): boolean {
    return this.#way.writable && !this.#way.destroyed;
  }

  /** Nothing where it is not writable. @param onLeft once the system has taken it all; perhaps not where the way closes */
  write(reply: Uint8Array, onLeft?: () => void): void {
    if (this.writable) this.#begin(reply, onLeft);
  }

  /** Writes one more, the last one, and ends this side of the way. */
  end(reply: Uint8Array, onLeft?: () => void): void {
    if (!this.writable) return;
    this.#ended = true;
    this.#begin(reply, onLeft);
  }

  #begin(reply: Uint8Array, onLeft: (() => void) | undefined): void {
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
