// A ranker with two engines, whose memory nodes are elsewhere and have one table each. Its connections may be held where they are.
import { ConnectionTable } from '../../src/engine/connection-table.ts';
import type { EngineThreads } from '../../src/engine/engine-control.ts';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import type { RoutingTable } from '../../src/index.ts';
import type { Lookup } from '../../src/lookup/pooled.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { Elsewhere } from './elsewhere-thread.ts';

const thread = new URL('./elsewhere-thread.ts', import.meta.url);

export class SkewedRanker {
  /** Moves that the balancer has made. */
  moves = 0;
  /** Whether only `assign` moves connections. */
  readonly #held: boolean;
  readonly #urls: readonly string[];
  #ranker: EngineRanker | undefined;
  #table: ConnectionTable | undefined;
  /** What `assign` moves now. */
  #assigned: { readonly connection: number; readonly to: number } | undefined;

  /** @param elsewhere for each engine @param held if false, the balancer decides */
  static async open(
    routing: RoutingTable,
    elsewhere: readonly Elsewhere[],
    held: boolean,
  ): Promise<SkewedRanker> {
    const opened = new SkewedRanker(
      routing.nodes.map(({ url = '' }) => url),
      held,
    );
    const options = { routing: fixedRouting(routing), pushDown: 'always', checksums: false } as const;
    const engines = elsewhere.length;
    opened.#ranker = await EngineRanker.open(
      { ...options, engines, ownConnections: 0 },
      opened.#startOn(elsewhere),
    );
    return opened;
  }

  private constructor(urls: readonly string[], held: boolean) {
    this.#urls = urls;
    this.#held = held;
  }

  #startOn(elsewhere: readonly Elsewhere[]): EngineThreads {
    const start: EngineThreads['start'] = async (setup, events, onEnd) => {
      this.#table = new ConnectionTable(setup.connections, setup.engines, 0);
      const running = await engineThreads(elsewhere[setup.place], thread).start(setup, events, onEnd);
      // A move begins when its new owner prepares. If that fails, the connection stays.
      const prepare = async (connection: number): Promise<void> => {
        const isOurs = connection === this.#assigned?.connection && setup.place === this.#assigned.to;
        if (this.#held && !isOurs) throw new Error('connections are held where they are');
        await running.control.prepare(connection);
        if (!isOurs) this.moves++;
      };
      return { ...running, control: { ...running.control, prepare } };
    };
    return { ...engineThreads(undefined), start };
  }

  lookup(...[bags]: Parameters<Ranker['lookup']>): Promise<Lookup> {
    return (this.#ranker as EngineRanker).lookup(bags);
  }

  /** Engines get these nodes. @param owners the engine of each node */
  async assign(owners: readonly number[]): Promise<void> {
    const numbers = this.#urls.map((url) => this.#table?.numberOf(url) as number);
    for (const [i, connection] of numbers.entries()) {
      this.#assigned = { connection, to: owners[i] };
      await this.#ranker?.move(connection, owners[i]);
    }
    this.#assigned = undefined;
    const now = numbers.map((number) => this.#ranker?.owners.get(number));
    if (now.some((owner, i) => owner !== owners[i])) throw new Error(`owners are ${now}, not ${owners}`);
  }

  async close(): Promise<void> {
    await this.#ranker?.close();
  }
}
