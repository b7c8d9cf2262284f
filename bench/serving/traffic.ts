import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Seen from the ranker's side. */
export interface Bytes {
  readonly in: number;
  readonly out: number;
}

/** Bytes through every socket that this thread connects, whichever client it is for: the same measure for all. */
export class Traffic {
  readonly #sockets: Set<Socket> = new Set();
  #closed: Bytes = { in: 0, out: 0 };

  /** Counts sockets that are connected from now on. */
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

  /** So far. */
  get total(): Bytes {
    return [...this.#sockets].reduce(plus, this.#closed);
  }
}

function plus(sum: Bytes, { bytesRead, bytesWritten }: Socket): Bytes {
  return { in: sum.in + bytesRead, out: sum.out + bytesWritten };
}
