// A way to a NATS server on which answers can be late.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { NatsServer } from './nats-server.ts';

/** Passes on what clients say at once. What the server answers may be kept back for a while. */
export class LateAnswers implements AsyncDisposable {
  readonly #server: Server;
  #kept: (() => void)[] | undefined;

  /** @param onSaid hears what a client says, before the server */
  static async open(to: NatsServer, onSaid: (text: string, way: LateAnswers) => void): Promise<LateAnswers> {
    const server = createServer((client) => {
      const socket = connect(to.port, '127.0.0.1');
      client.on('data', (bytes) => {
        onSaid(bytes.toString('latin1'), way);
        socket.write(bytes);
      });
      socket.on('data', (bytes) => way.#answer(() => client.write(bytes)));
      for (const [one, other] of [
        [client, socket],
        [socket, client],
      ])
        one.on('close', () => other.destroy()).on('error', () => other.destroy());
    });
    const way = new LateAnswers(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return way;
  }

  private constructor(server: Server) {
    this.#server = server;
  }

  at(bucket: string): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${bucket}`;
  }

  #answer(pass: () => void): void {
    if (this.#kept === undefined) pass();
    else this.#kept.push(pass);
  }

  keep(): void {
    this.#kept ??= [];
  }

  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const pass of kept) pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
  }
}
