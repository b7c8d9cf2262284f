import { kernelModule } from '../kernel/files.ts';
import type { PushDown } from '../lookup/asked.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import type { Ranker } from '../ranker/ranker.ts';
import { StreamTransport } from '../transport/stream.ts';
import type { Session, Transport } from '../transport/transport.ts';
import { type SimulatedCluster, token } from './cluster.ts';
import { type Costs, ms, threadCosts } from './costs.ts';
import { Descriptions } from './descriptions.ts';
import type { Dice } from './dice.ts';
import type { Lookups } from './lookups.ts';
import type { Network } from './network.ts';
import { type Cores, Nic, Processor } from './processor.ts';
import type { Asked, Workload } from './workload.ts';
import type { World } from './world.ts';

/** Lookups that begin at a rate, independently of each other, or as many as are in flight at any time. */
export type Load = { readonly perSecond: number } | { readonly inFlight: number };

export interface RankerThreadOptions {
  readonly world: World;
  readonly network: Network;
  readonly cluster: SimulatedCluster;
  readonly costs: Costs;
  readonly cores?: Cores | undefined;
  readonly workload: Workload;
  readonly load: Load;
  readonly deadline: number;
  readonly cache: CacheSize;
  readonly pushDown: PushDown;
  /** Where the lookups count that begin at a time. Undefined: nowhere. */
  readonly countedIn: (begun: number) => Lookups | undefined;
}

/** A simulated process with a ranker, and its load. */
export class RankerThread {
  readonly processor: Processor;
  readonly #of: RankerThreadOptions;
  readonly #dice: Dice;
  #ranker: Ranker | undefined;
  #underWay = 0;
  #untilMs = 0;
  #onEnd: () => void = () => {};

  constructor(name: string, of: RankerThreadOptions) {
    this.processor = new Processor(name, threadCosts(of.costs, 'ranker'), new Nic(), of.cores);
    this.#of = of;
    this.#dice = of.world.dice.fork();
  }

  async open(): Promise<void> {
    const { world, network, cluster, cache, pushDown, costs } = this.#of;
    const transport = withCosts(world, costs, new StreamTransport(new Descriptions(network), { token }));
    const module = kernelModule('ranker');
    this.#ranker = await world.in(this.processor, () =>
      // Bits do not change on the way, and what checksums cost is part of the costs.
      InlineRanker.open({
        routing: cluster.source(),
        transport,
        module,
        cache,
        pushDown,
        checksums: false,
      }),
    );
  }

  /** Looks up until a time. @returns when all lookups have ended */
  async run(untilMs: number): Promise<void> {
    const { world, load } = this.#of;
    this.#untilMs = untilMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEnd = resolve;
    if ('inFlight' in load)
      for (let i = 0; i < load.inFlight; i++)
        world.at(world.now, () => this.#again(world.now), this.processor);
    else this.#after(world.now, load.perSecond);
    await promise;
  }

  /** The next lookup begins, whether others have ended or not. */
  #after(ms: number, perSecond: number): void {
    const { world } = this.#of;
    const at = ms + this.#dice.interval(1000 / perSecond);
    const begin = (): void => {
      if (at < this.#untilMs) {
        this.#after(at, perSecond);
        void this.#lookUp(at);
      } else this.#endIfIdle();
    };
    world.at(at, begin, this.processor);
  }

  /** One lookup after the other. */
  #again(begun: number): void {
    const { world } = this.#of;
    if (begun >= this.#untilMs) this.#endIfIdle();
    else void this.#lookUp(begun).then(() => this.#again(world.now));
  }

  async #lookUp(begun: number): Promise<void> {
    const { world, workload, deadline, countedIn, costs } = this.#of;
    const asked = workload(this.#dice);
    const counted = countedIn(begun);
    this.#underWay++;
    world.work(lookupMs(asked, costs.ranker));
    try {
      const left = Math.max(1, deadline - (world.now - begun));
      const lookup = await this.#ranker?.lookup(asked.bags, { deadline: left, onFailure: 'partial' });
      counted?.answered(world.now - begun, (lookup?.failures.length ?? 0) > 0);
      lookup?.[Symbol.dispose]();
    } catch {
      counted?.failed();
    }
    this.#underWay--;
    if (world.now >= this.#untilMs) this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#underWay === 0) this.#onEnd();
  }

  async close(): Promise<void> {
    await this.#of.world.in(this.processor, () => this.#ranker?.close());
  }
}

function lookupMs({ features, keys }: Asked, costs: Costs['ranker']): number {
  return ms(costs.lookup + features * costs.feature + keys * costs.key);
}

/** A transport whose subrequests and replies take their thread time. */
function withCosts(world: World, { ranker }: Costs, inner: Transport): Transport {
  const session = (url: string): Session => {
    const to = inner.session(url);
    const send: Session['send'] = (outgoing) => {
      world.work(ms(ranker.subrequest));
      const { reply, cancel } = to.send(outgoing);
      const taken = reply.then((received) => {
        world.work(ms(received.bytes.length * ranker.replyByte));
        return received;
      });
      return { reply: taken, cancel };
    };
    return { send, close: () => to.close() };
  };
  return {
    name: inner.name,
    session,
    describe: (url) => inner.describe(url),
    traffic: () => inner.traffic(),
    close: () => inner.close(),
  };
}
