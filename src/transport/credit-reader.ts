import type { Socket } from 'node:net';
import { CREDIT_BYTES, CREDIT_DROP, CREDIT_GRANT, CREDIT_ID, CREDIT_VERB } from '../wire/layout.ts';

/** Reads the credits of a stream, from a connection of their own. A peer that sends anything else is cut off. */
export class CreditReader {
  readonly #socket: Socket;
  readonly #take: (id: number, verb: number) => void;
  #part: Buffer = Buffer.alloc(0);

  /** @param take gets each credit */
  constructor(socket: Socket, take: (id: number, verb: number) => void) {
    this.#socket = socket;
    this.#take = take;
    socket.setTimeout(0);
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('end', () => socket.end());
  }

  read(chunk: Buffer): void {
    const bytes = this.#part.length === 0 ? chunk : Buffer.concat([this.#part, chunk]);
    let at = 0;
    for (; at + CREDIT_BYTES <= bytes.length && !this.#socket.destroyed; at += CREDIT_BYTES) {
      const verb = bytes.readUInt32LE(at + CREDIT_VERB);
      if (verb === CREDIT_GRANT || verb === CREDIT_DROP) this.#take(bytes.readUInt32LE(at + CREDIT_ID), verb);
      else this.#socket.destroy();
    }
    this.#part = Buffer.from(bytes.subarray(at));
  }

  close(): void {
    this.#socket.destroy();
  }
}
