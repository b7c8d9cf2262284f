// The production stream transport over the simulated network, with a count of the credits that are in use.
import { get } from 'node:http';
import { connectMsMax, sessionWindow } from '../../src/limits.ts';
import type { Network } from '../../src/simulation/network.ts';
import type { SimulatedSocket } from '../../src/simulation/socket.ts';
import type { World } from '../../src/simulation/world.ts';
import { readDescription } from '../../src/transport/description.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Exchange, Outgoing, Session, Transport } from '../../src/transport/transport.ts';
import { unavailable } from '../../src/transport/unavailable.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';
import { token } from './cluster.ts';

/** Asks nodes for their descriptions by HTTP. The production transport does it with undici, whose timers are real. */
class Descriptions implements Transport {
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
    const socket = this.#network.connect({ port: Number(new URL(url).port) });
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

/** The credits of the sessions with one address. */
interface Credits {
  taken: number;
  returned: number;
}

/** Counts subrequests whose credit is taken: from `send` until the reply, an error, or the end of what was cancelled. */
export class CountedTransport implements Transport {
  readonly name = 'stream';
  readonly #inner: StreamTransport;
  readonly #world: World;
  readonly #credits = new Map<string, Credits>();

  constructor(network: Network, world: World) {
    this.#inner = new StreamTransport(new Descriptions(network), { token });
    this.#world = world;
  }

  session(url: string): Session {
    const inner = this.#inner.session(url);
    return { send: (outgoing) => this.#send(inner, url, outgoing), close: () => inner.close() };
  }

  #send(inner: Session, url: string, outgoing: Outgoing): Exchange {
    const credits = this.#credits.get(url) ?? { taken: 0, returned: 0 };
    this.#credits.set(url, credits);
    credits.taken++;
    if (credits.taken - credits.returned > sessionWindow)
      this.#world.fail(new Error(`more than ${sessionWindow} subrequests are in flight to ${url}`));
    const exchange = inner.send(outgoing);
    const { steps } = this.#world;
    let [cancelled, given] = [false, false];
    const give = (): void => {
      if (!given) credits.returned++;
      given = true;
    };
    const settled = (): void => {
      if (!cancelled) give();
    };
    exchange.reply.then(settled, settled);
    return {
      reply: exchange.reply,
      cancel: async () => {
        cancelled = true;
        if (this.#world.steps === steps)
          this.#world.fail(new Error(`a lookup that had ended sent a subrequest to ${url}`));
        await exchange.cancel();
        give();
      },
    };
  }

  /** Credits in use, of all sessions with an address, or of all sessions. */
  outstanding(urls?: ReadonlySet<string>): number {
    let sum = 0;
    for (const [url, { taken, returned }] of this.#credits)
      if (urls === undefined || urls.has(url)) sum += taken - returned;
    return sum;
  }

  describe(url: string): Promise<NodeDescription> {
    return this.#inner.describe(url);
  }

  traffic(): ReturnType<Transport['traffic']> {
    return this.#inner.traffic();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
