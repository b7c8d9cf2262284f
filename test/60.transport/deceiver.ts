// A proxy for a memory node. It gives the description of the node, and answers lookups honestly or not.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { FRAME_BYTES, FRAME_ID, HEADER_BYTES, REPLY_MAGIC } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';

type Answer = (response: ServerResponse) => void;
type Speech = (socket: Socket, id: number) => void;

function frameHead(bytes: number | string): Record<string, string | number> {
  return { 'content-type': frameType, 'content-length': bytes };
}

/** Writes without end, as fast as the other side reads. */
function flood(way: Socket | ServerResponse): void {
  const chunk = Buffer.alloc(65_536, 1);
  const more = (): void => {
    while (!way.destroyed && way.write(chunk));
    if (!way.destroyed) way.once('drain', more);
  };
  more();
}

/** Writes a byte every 20 ms. */
function trickle(way: Socket | ServerResponse): void {
  const timer = setInterval(() => (way.destroyed ? clearInterval(timer) : way.write('\0')), 20);
}

/** Dishonest answers over HTTP, in one response. */
export const answers: Record<string, Answer> = {
  'no bytes': (response) => response.writeHead(200, frameHead(0)).end(),
  'fewer bytes than a header': (response) => response.writeHead(200, frameHead(8)).end('12345678'),
  'four gigabytes': (response) => response.writeHead(200, frameHead(4_000_000_000)).write('1'),
  'a body that ends early': (response) => {
    response.writeHead(200, frameHead(200)).write(Buffer.alloc(100));
    response.destroy();
  },
  'no length, without end': (response) => flood(response.writeHead(200, { 'content-type': frameType })),
  'a body that trickles': (response) => trickle(response.writeHead(200, frameHead(120))),
  'an error page without end': (response) => flood(response.writeHead(500, { 'content-type': 'text/html' })),
  'a redirect': (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
  'a page': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  'bytes that are not a frame': (response) =>
    response.writeHead(200, frameHead(100)).end(Buffer.alloc(100, 7)),
};

function header(id: number, bytes: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32LE(REPLY_MAGIC, 0);
  head.writeUInt32LE(bytes, FRAME_BYTES);
  head.writeUInt32LE(id, FRAME_ID);
  return head;
}

/** Dishonest answers over a stream, after a subrequest has arrived. */
export const speeches: Record<string, Speech> = {
  'a frame of 64 MB': (socket, id) => socket.write(header(id, 67_108_864)),
  'a frame of no bytes': (socket, id) => socket.write(header(id, 0)),
  'a frame that was not requested': (socket, id) => socket.write(header(id + 1000, HEADER_BYTES)),
  'half a header': (socket, id) => socket.write(header(id, HEADER_BYTES).subarray(0, 30)),
  'half a frame': (socket, id) => socket.write(header(id, HEADER_BYTES + 4)),
  'a frame that trickles': (socket, id) => {
    socket.write(header(id, HEADER_BYTES + 60));
    trickle(socket);
  },
  'noise without end': (socket) => flood(socket),
};

export class Deceiver implements AsyncDisposable {
  /** If undefined, the answers of the node are passed on. */
  answer: Answer | undefined;
  speech: Speech | undefined;
  /** The number of requests for other paths than those of a memory node. */
  strays = 0;
  readonly #node: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async open(url: string): Promise<Deceiver> {
    const deceiver = new Deceiver(url);
    await new Promise<void>((listening) => deceiver.#server.listen(0, '127.0.0.1', listening));
    return deceiver;
  }

  private constructor(url: string) {
    this.#node = new URL(url);
    this.#server = createServer((asked, response) => this.#serve(asked, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('upgrade', (asked, socket, head) => this.#upgrade(asked, socket as Socket, head));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #serve(asked: IncomingMessage, response: ServerResponse): void {
    if (asked.url !== '/v1/lookup' && asked.url !== '/v1/tables') this.strays++;
    if (asked.url === '/v1/lookup' && this.answer) {
      asked.resume();
      this.answer(response);
      return;
    }
    const { method, headers, url: path } = asked;
    const { hostname, port } = this.#node;
    const passed = request({ hostname, port, method, path, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk) => chunks.push(chunk));
      reply.on('end', () => {
        const body = Buffer.concat(chunks);
        const own = path === '/v1/tables' ? this.#described(body) : body;
        response
          .writeHead(reply.statusCode ?? 500, { ...reply.headers, 'content-length': own.length })
          .end(own);
      });
    });
    passed.on('error', () => response.destroy());
    asked.pipe(passed);
  }

  /** Changes the description of the node, so that its only worker listens here. */
  #described(body: Buffer): Buffer {
    const workers = [{ port: Number(new URL(this.url).port) }];
    return Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), workers }));
  }

  /** @param head bytes that arrived with the request */
  #upgrade(asked: IncomingMessage, socket: Socket, head: Buffer): void {
    if (head.length > 0) socket.unshift(head);
    const greeting = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n';
    const { speech } = this;
    if (speech) {
      socket.write(greeting);
      socket.on('data', (chunk: Buffer) => {
        if (chunk.length >= HEADER_BYTES) speech(socket, chunk.readUInt32LE(FRAME_ID));
      });
      return;
    }
    const node = connect(Number(this.#node.port), this.#node.hostname);
    node.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => node.destroy());
    const lines = Object.entries(asked.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    node.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    node.pipe(socket);
    socket.pipe(node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }
}
