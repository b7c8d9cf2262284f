import { get } from 'node:http';
import { connectMsMax } from '../limits.ts';
import { readDescription } from '../transport/description.ts';
import type { Session, Transport } from '../transport/transport.ts';
import { unavailable } from '../transport/unavailable.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { token } from './cluster.ts';
import type { Network } from './network.ts';
import type { SimulatedSocket } from './socket.ts';

/** Asks nodes for their descriptions by HTTP. The production transport does it with undici, whose timers are real. */
export class Descriptions implements Transport {
  readonly name = 'descriptions';
  readonly #network: Network;
  readonly #sockets = new Set<SimulatedSocket>();

  constructor(network: Network) {
    this.#network = network;
  }

  session(url: string): Session {
    throw new Error(`${url} does not offer streams`);
  }

  describe(url: string): Promise<NodeDescription> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeDescription>();
    const { hostname, port } = new URL(url);
    const socket = this.#network.connect({ host: hostname, port: Number(port) });
    const fail = (cause?: Error): void => reject(unavailable(url, 'cannot be reached', cause));
    const timer = setTimeout(() => socket.destroy(new Error('connect timeout')), connectMsMax);
    const headers = { authorization: `Bearer ${token}` };
    const request = get(`${url}/v1/tables`, { createConnection: () => socket, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        if (response.statusCode !== 200) fail();
        else
          try {
            resolve(readDescription(url, Buffer.concat(chunks).toString()));
          } catch (error) {
            reject(error);
          }
      });
    });
    request.on('error', fail);
    this.#sockets.add(socket);
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    return promise;
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: 0, bytesIn: 0 };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy(new Error('closed'));
  }
}
