import type { Socket } from 'node:net';
import { replyPieceBytesMax } from '../limits.ts';

interface Leaving {
  readonly reply: Uint8Array;
  /** Bytes of it that were written. */
  written: number;
  readonly onLeft: (() => void) | undefined;
}

/**
 * Replies on their way into a socket, in order. Writing one of megabytes takes the system a millisecond, in which
 * nobody else is served: it goes a piece a turn of the event loop.
 */
export class ReplyWriter {
  readonly #socket: Socket;
  readonly #leaving: Leaving[] = [];
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether replies wait that the system has not taken. */
  get busy(): boolean {
    return this.#leaving.length > 0 || this.#socket.writableLength > 0;
  }

  /** Whether more can be written. */
  get writable(): boolean {
    return this.#socket.writable && !this.#ended;
  }

  /** Nothing where it is not writable. @param onLeft once the system has taken it all; never where the socket closes */
  write(reply: Uint8Array, onLeft?: () => void): void {
    if (!this.writable) return;
    if (this.#leaving.length === 0 && reply.length <= replyPieceBytesMax) this.#socket.write(reply, onLeft);
    else if (this.#leaving.push({ reply, written: 0, onLeft }) === 1) this.#turn();
  }

  /** Writes one more, the last one, and closes the socket once it has left. */
  end(reply: Uint8Array): void {
    this.write(reply, () => this.#socket.destroySoon());
    this.#ended = true;
  }

  #turn(): void {
    let room = replyPieceBytesMax;
    while (room > 0 && this.#leaving.length > 0 && this.#socket.writable) {
      const [first] = this.#leaving;
      const piece = first.reply.subarray(first.written, first.written + room);
      first.written += piece.length;
      room -= piece.length;
      const whole = first.written === first.reply.length;
      if (whole) this.#leaving.shift();
      this.#socket.write(piece, whole ? first.onLeft : undefined);
    }
    if (this.#leaving.length === 0 || !this.#socket.writable) return;
    if (this.#socket.writableNeedDrain) this.#socket.once('drain', () => this.#later());
    else this.#later();
  }

  #later(): void {
    setImmediate(() => this.#turn());
  }
}
