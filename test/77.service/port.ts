// The routes of a service behind a real port, and clients that break off or stall.
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { slowMsMin } from '../../src/limits.ts';

export interface PortAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly rawPayload: Buffer;
}

export class Port implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  static async open(app: FastifyInstance): Promise<Port> {
    const server = createServer((incoming, response) => app.routing(incoming, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Port(server);
  }

  private constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends a request whole, and reads its answer. */
  async post(url: string, headers: Record<string, string>, body: Buffer): Promise<PortAnswer> {
    const outgoing = request({ port: this.port, host: '127.0.0.1', method: 'POST', path: url, headers });
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
    });
    outgoing.end(body);
    return await answerOf(await answer);
  }

  /** Sends the head of a request and the first bytes of its body. */
  async begin(url: string, headers: Record<string, string>, bytes: Buffer): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => {});
    this.#sockets.push(socket);
    const lines = Object.entries({ host: 'n', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    await new Promise((written) => socket.write(bytes, written));
    return socket;
  }

  /**
   * The answer to a request that stalls, while others need its place.
   * @param bodiesBytes that the service takes together
   */
  async cutOff(url: string, bodiesBytes: number): Promise<PortAnswer> {
    const headers = { 'content-type': 'application/json', 'content-length': '100' };
    const stalled = await this.begin(url, headers, Buffer.from('{'));
    await new Promise((waited) => setTimeout(waited, slowMsMin * 1.5));
    const large = { ...headers, 'content-length': String(bodiesBytes) };
    await this.begin(url, large, Buffer.alloc(bodiesBytes, 32));
    return await rawAnswer(stalled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}

async function answerOf(response: IncomingMessage): Promise<PortAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    statusCode: response.statusCode ?? 0,
    headers: response.headers,
    rawPayload: Buffer.concat(chunks),
  };
}

/** Reads an answer up to the end of the connection. */
async function rawAnswer(socket: Socket): Promise<PortAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const all = Buffer.concat(chunks);
  const end = all.indexOf('\r\n\r\n');
  const [status, ...lines] = all.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) =>
      line
        .toLowerCase()
        .split(/: ?(.*)/)
        .slice(0, 2),
    ),
  );
  return { statusCode: Number(status.split(' ')[1]), headers, rawPayload: all.subarray(end + 4) };
}
