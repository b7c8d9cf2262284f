import type { Socket } from 'node:net';
import { askCredits, creditsHeader, streamProtocol } from './dial.ts';
import { ServedStream, type StreamRoom } from './served-stream.ts';

/** Serves framed streams with one handler. Replies are sent as they become ready, from the memory of their pooling. */
export class StreamServer {
  readonly #room: StreamRoom;
  readonly #stuckMs: number;
  readonly #connections = new Set<ServedStream>();
  /** Connections that take credits, by their names. Nobody can guess a name, and so grant what another ranker may not. */
  readonly #named = new Map<string, ServedStream>();

  /** @param stuckMs how long a peer may take for a frame or a reply before it is cut off */
  constructor(room: StreamRoom, stuckMs: number) {
    this.#room = room;
    this.#stuckMs = stuckMs;
  }

  /**
   * Answers an Upgrade, and serves its connection. @param head bytes that arrived with the Upgrade
   * @param credits `askCredits`, or the name of a stream @returns false if there is no such stream, or the node is not ready
   */
  serve(socket: Socket, head: Buffer, credits: string | undefined): boolean {
    const named = credits === undefined ? undefined : this.#named.get(credits);
    if (named !== undefined) {
      answerUpgrade(socket);
      named.takeCredits(socket, head);
      return true;
    }
    if (!this.#room.handler.ready || (credits !== undefined && credits !== askCredits)) return false;
    const name = credits && randomName();
    answerUpgrade(socket, name);
    const connection = new ServedStream(socket, this.#room, this.#stuckMs, name !== undefined);
    this.#connections.add(connection);
    if (name !== undefined) this.#named.set(name, connection);
    socket.on('close', () => {
      this.#connections.delete(connection);
      if (name !== undefined) this.#named.delete(name);
    });
    if (head.length > 0) connection.take(head);
    return true;
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function answerUpgrade(socket: Socket, name?: string): void {
  const upgrade = `Connection: Upgrade\r\nUpgrade: ${streamProtocol}\r\n`;
  const credits = name === undefined ? '' : `${creditsHeader}: ${name}\r\n`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}${credits}\r\n`);
}

/** 128 random bits, in hexadecimal digits. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) =>
    word.toString(16).padStart(8, '0'),
  ).join('');
}
