// A load of the service that counts what it sends and what it gets.
import { once } from 'node:events';
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Bytes at the sockets of this client. */
export interface Bytes {
  readonly sent: number;
  readonly received: number;
}

export class Load implements Disposable {
  readonly #url: string;
  readonly #sockets: Socket[] = [];
  readonly #agent: Agent;

  /** @param connections at the same time */
  constructor(url: string, connections = 1) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#agent.createConnection = ({ host, port }) => {
      const socket = connect(Number(port), String(host));
      this.#sockets.push(socket);
      return socket;
    };
  }

  get bytes(): Bytes {
    return this.#sockets.reduce(
      ({ sent, received }, { bytesWritten, bytesRead }) => {
        return { sent: sent + bytesWritten, received: received + bytesRead };
      },
      { sent: 0, received: 0 },
    );
  }

  async ask(path: string, { method = 'GET', headers, body }: Ask = {}): Promise<Answer> {
    const sending = request(this.#url, { path, method, headers, agent: this.#agent });
    sending.end(body);
    const [response] = await once(sending, 'response');
    return { status: response.statusCode, text: await text(response) };
  }

  async post(path: string, body: object): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    return await this.ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** Begins a request, and ends its connection as soon as the server waits for its body. */
  async leave(path: string): Promise<void> {
    const { hostname, port } = new URL(this.#url);
    const socket = connect(Number(port), hostname);
    this.#sockets.push(socket);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n`,
    );
    await once(socket, 'data');
    // It reads until the server ends the connection too, so that it counts the bytes that the server counts.
    socket.resume().end();
    await once(socket, 'close');
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
