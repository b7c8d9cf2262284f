// Proxies between a ranker and a node.
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** The number of open connections, on both sides. */
  readonly connections: number;
}

async function listen(server: Server, sockets: Set<Socket>): Promise<Proxy> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return [...sockets].filter(({ destroyed }) => !destroyed).length;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Passes bytes on in pieces, one for each turn of the event loop. @param size returns the size of the next piece */
export async function dribbler(port: number, size: () => number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      void dribble(from, to, size);
    }
  });
  return await listen(server, sockets);
}

async function dribble(from: Socket, to: Socket, size: () => number): Promise<void> {
  try {
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        const piece = chunk.subarray(at, at + size());
        at += piece.length;
        to.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } catch {
    to.destroy();
  }
}

interface PlainProxy extends Proxy {
  readonly upgrades: number;
  /** The header of this name of each request. */
  readonly traceparents: readonly unknown[];
}

/** Passes HTTP requests and responses on, but no Upgrade. @param answer status of the answer to an Upgrade */
export async function plainProxy(port: number, answer?: number): Promise<PlainProxy> {
  const sockets = new Set<Socket>();
  const traceparents: unknown[] = [];
  let upgrades = 0;
  const server = createHttpServer((near, response) => {
    const { upgrade, connection: _, ...headers } = near.headers;
    if (upgrade !== undefined) upgrades++;
    traceparents.push(headers.traceparent);
    if (upgrade !== undefined && answer !== undefined) {
      response.writeHead(answer, { 'content-length': 0 }).end();
      return;
    }
    const { method, url } = near;
    const far = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(response);
    });
    far.on('error', () => response.destroy());
    near.pipe(far);
  });
  server.on('connection', (socket) => sockets.add(socket));
  const proxy = await listen(server, sockets);
  return {
    ...proxy,
    traceparents,
    get upgrades() {
      return upgrades;
    },
  };
}
