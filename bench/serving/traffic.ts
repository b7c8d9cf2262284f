import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Bytes that the client received and sent. */
export interface Bytes {
  readonly in: number;
  readonly out: number;
}

/** Counts the bytes of every socket that this thread connects. So all clients are measured in the same way. */
export class Traffic {
  readonly #sockets: Set<Socket> = new Set();
  #closed: Bytes = { in: 0, out: 0 };

  /** Counts only sockets that are connected later. */
  constructor() {
    subscribe('net.client.socket', (message) => {
      const { socket } = message as { socket: Socket };
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#closed = plus(this.#closed, socket);
      });
    });
  }

  /** The bytes so far. */
  get total(): Bytes {
    return [...this.#sockets].reduce(plus, this.#closed);
  }
}

function plus(sum: Bytes, { bytesRead, bytesWritten }: Socket): Bytes {
  return { in: sum.in + bytesRead, out: sum.out + bytesWritten };
}
