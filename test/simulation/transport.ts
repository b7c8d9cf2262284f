// The production stream transport over the simulated network, with a count of the credits that are in use.
import { sessionWindow } from '../../src/limits.ts';
import { token } from '../../src/simulation/cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Network } from '../../src/simulation/network.ts';
import type { World } from '../../src/simulation/world.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Exchange, Outgoing, Session, Transport } from '../../src/transport/transport.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';

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
