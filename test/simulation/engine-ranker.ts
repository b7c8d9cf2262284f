// A ranker with engines in a simulation, and what must be true of its engines.
import { replyBudgetBytesMin } from '../../src/credit-limits.ts';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineGraceMs, peerBytesMin } from '../../src/engine-limits.ts';
import type { RoutingSource } from '../../src/plan/routing-source.ts';
import { ReplyBudget } from '../../src/ranker/reply-budget.ts';
import type { Network } from '../../src/simulation/network.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { SimulatedThreads } from './engine-threads.ts';
import type { EnginesPlan, Plan } from './plan.ts';
import { type CountedReplies, CountedTransport, type RepliesRoom } from './transport.ts';
import { engineDeath, engineStall, recoveryMsMax, type Troubles } from './troubles.ts';

interface EnginesOptions {
  readonly world: World;
  readonly network: Network;
  readonly plan: Plan;
  readonly engines: EnginesPlan;
  readonly processor: Processor;
  readonly troubles: Troubles;
  readonly source: RoutingSource;
  readonly workspaceBytes: number;
  readonly room: Pick<RepliesRoom, 'dropMsMax' | 'isExplained'>;
}

/** Until all results are given back that were not used any more. */
const releaseRounds = 16;

/** The most that an engine looks for work, and a timer that leaves out a part of a millisecond. */
const turnsMsMax = 1;

/** The engines of one ranker. */
export class SimulatedEngines implements CountedReplies {
  readonly #of: EnginesOptions;
  readonly threads: SimulatedThreads;
  #ranker: EngineRanker | undefined;

  constructor(of: EnginesOptions) {
    const { world, network, plan, engines, processor, workspaceBytes, room } = of;
    this.#of = of;
    const part = Math.max(replyBudgetBytesMin, Math.floor(plan.ranker.replyBytes / engines.engines));
    const { bytes, longest } = new ReplyBudget(part);
    const all = (): number => this.replyBytes;
    const counted = { ...room, bytes: bytes * engines.engines, longest, all, forOthers: true };
    this.threads = new SimulatedThreads({
      ...{ world, network, application: processor, workspaceBytes },
      ...{ messageMsMax: engines.messageMsMax, busy: engines.busy },
      transport: () => new CountedTransport(network, world, counted),
    });
  }

  /** Opens the ranker, in its thread. */
  async open(): Promise<EngineRanker> {
    const { world, plan, engines, source } = this.#of;
    const { engines: count, sizes } = engines;
    this.#ranker = await EngineRanker.open(
      {
        ...plan.ranker,
        ...{ routing: source, engines: count, sizes, ownConnections: 0 },
        onRoutingError: (error) => world.fail(error),
      },
      this.threads,
    );
    return this.#ranker;
  }

  get plan(): EnginesPlan {
    return this.#of.engines;
  }

  /** Connections to one worker that may be in use at a time, because there is not always memory to use that of the owner. */
  get connections(): number {
    const { engines, sizes } = this.plan;
    return sizes.peerBytes < peerBytesMin ? engines : 1;
  }

  get ranker(): EngineRanker {
    if (this.#ranker === undefined) throw new Error('the ranker is not open');
    return this.#ranker;
  }

  get held(): number {
    return this.threads.held;
  }

  get replyBytes(): number {
    return this.threads.live.reduce((sum, { transport }) => sum + transport.replyBytes, 0);
  }

  get wanted(): number {
    return this.threads.live.reduce((sum, { transport }) => sum + transport.wanted, 0);
  }

  outstanding(urls?: ReadonlySet<string>): number {
    return this.threads.live.reduce((sum, { transport }) => sum + transport.outstanding(urls), 0);
  }

  /** How long after its deadline a lookup may end: until the thread that asks hears of it, or gives up an engine that is stuck. */
  lateMsMax(begun: number): number {
    const { troubles, engines } = this.#of;
    const isStuck = troubles.during(engineStall, begun) || troubles.during(engineDeath, begun);
    return turnsMsMax + 2 * engines.messageMsMax + (isStuck ? 2 * engineGraceMs : 0);
  }

  /** Nodes never may send more than the engines have memory for. */
  compare(): void {
    const { whole } = this.threads;
    const said = whole.reduce((sum, { ranker }) => sum + (ranker?.stats.replyBytesUnderWay ?? 0), 0);
    const sent = whole.reduce((sum, { transport }) => sum + transport.replyBytes, 0);
    if (sent > said) throw new Error(`nodes may send ${sent} bytes, the engines say ${said}`);
  }

  /** @throws if something is left. No lookup is under way. */
  async check(): Promise<void> {
    const { world } = this.#of;
    const { live } = this.threads;
    // An engine that sleeps has not heard yet which results nobody uses any more. A ring has room for few of them.
    for (let round = 0; round < releaseRounds; round++) {
      for (const { engine, processor, ring } of live) {
        world.at(world.now, () => engine?.wake(), processor);
        world.at(world.now, ring, processor);
      }
      await world.sleep(1 + this.plan.messageMsMax);
    }
    // The balancer may just move a connection.
    for (let ms = 0; ms < recoveryMsMax && live.some(({ holds }) => holds > 0); ms++) await world.sleep(1);
    for (const { ranker, holds, processor } of live) {
      const { replyBytesUnderWay = 0 } = ranker?.stats ?? {};
      if (replyBytesUnderWay > 0)
        throw new Error(`${processor.name} waits for ${replyBytesUnderWay} bytes of replies`);
      if (holds !== 0) throw new Error(`${processor.name} is held ${holds} times, and has no lookup`);
    }
    this.#checkConnections();
  }

  /** Only the owner of a connection keeps one. */
  #checkConnections(): void {
    if (this.threads.movesFailed > 0) return;
    const open = new Map<string, number>();
    for (const { transport } of this.threads.live)
      for (const [url, sessions] of transport.open) open.set(url, (open.get(url) ?? 0) + sessions);
    for (const [url, sessions] of open)
      if (sessions > 1) throw new Error(`${sessions} engines keep connections to ${url}`);
  }

  /** Lets another engine own a connection. A move that fails changes nothing. */
  async move(connection: number, to: number): Promise<void> {
    const { world, processor } = this.#of;
    await world.in(processor, () => this.ranker.move(connection, to)).catch(() => {});
  }

  /** An engine does nothing for some time. */
  async stall(place: number, ms: number): Promise<void> {
    const { world, troubles } = this.#of;
    const engine = this.threads.live.find((one) => one.place === place);
    if (engine === undefined) return;
    world.history.add(`fault: ${engine.processor.name} stalls, ${ms} ms`);
    const end = troubles.begin(engineStall);
    engine.processor.stall(world.now + ms);
    await world.sleep(ms);
    end();
  }

  /** An engine ends, and all of them start again. */
  async die(place: number): Promise<void> {
    const { world, troubles } = this.#of;
    const engine = this.threads.live.find((one) => one.place === place);
    if (engine === undefined) return;
    world.history.add(`fault: ${engine.processor.name} dies`);
    const end = troubles.begin(engineDeath);
    engine.die(new Error('killed by a simulation'));
    await world.sleep(recoveryMsMax);
    end();
  }
}
