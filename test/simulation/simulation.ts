// One seed: a cluster under load and faults, and what must be true of it.
import { sessionWindow, stuckMsMax, subrequestMsMax } from '../../src/limits.ts';
import { hedgeReserve, hedgeShareMax } from '../../src/replica-limits.ts';
import { SimulatedCluster, slotRanges } from '../../src/simulation/cluster.ts';
import { Network } from '../../src/simulation/network.ts';
import type { Weather } from '../../src/simulation/pipe.ts';
import type { Health } from '../../src/simulation/worker.ts';
import { World } from '../../src/simulation/world.ts';
import { coreTables } from './core-tables.ts';
import { EngineFaults } from './engine-faults.ts';
import { EngineLedger } from './engine-ledger.ts';
import { Faults } from './faults.ts';
import { Ledger } from './ledger.ts';
import { givenOf } from './load.ts';
import { nodeNames, type Plan, planOf } from './plan.ts';
import { openRanking, type Ranking } from './ranking.ts';
import { SimulatedRows } from './rows.ts';
import { recoveryMsMax, Troubles } from './troubles.ts';
import { openWindows, shrinkWindow } from './windows.ts';

/** Lookups that must succeed after the last fault. */
const calmLookups = 8;
const calmDeadlineMs = 2_000;
/** If the replica of a node that is gone has to be found. */
const movedDeadlineMs = 5_000;

/** All delays are the same, so that windows depend on nothing else than the node. */
const calmWeather: Partial<Weather> = { delayMsMin: 1, delayMsMax: 1, windowBytes: 2 ** 20 };

/** Lookups that find no credit when all credits are used. */
const waitingLookups = 3;

/** Until the last subrequest to a node that is gone has failed. */
const goneMsMax = 2 * subrequestMsMax;

export interface Outcome {
  readonly seed: number;
  readonly plan: Plan;
  /** Undefined: everything was as it must be. */
  readonly error: Error | undefined;
  /** Timers and immediates that have run. */
  readonly events: number;
  readonly lookups: number;
  readonly answered: number;
  /** Replies that had to wait for credits at their nodes. */
  readonly held: number;
  readonly lastEvents: readonly string[];
  /** Equal for two runs only if they had the same events at the same times. */
  readonly digest: string;
}

/** Simulates one seed. */
export async function simulate(seed: number): Promise<Outcome> {
  using world = new World(seed);
  const plan = planOf(world.dice.fork());
  const weather = { ...plan.weather };
  using network = new Network(world, weather);
  using ledger = new Ledger(world);
  using engineLedger = new EngineLedger(world);
  const run = new Run(world, { plan, weather }, network, { ledger, engineLedger });
  let error: Error | undefined;
  try {
    await world.run(run.play());
  } catch (cause) {
    error = cause as Error;
  }
  const { steps: events } = world;
  const { last: lastEvents } = world.history;
  const { begun: lookups, answered, held } = run.counts;
  const digest = world.history.digest();
  return { seed, plan, error, events, lookups, answered, held, lastEvents, digest };
}

class Run {
  readonly #world: World;
  readonly #plan: Plan;
  /** Of the network. It changes. */
  readonly #weather: Weather;
  readonly #network: Network;
  readonly #ledger: Ledger;
  readonly #engineLedger: EngineLedger;
  readonly #troubles: Troubles;
  #rankings: readonly Ranking[] = [];
  /** When a node was held last, to count credits. */
  #heldUntil = -1;

  constructor(
    world: World,
    { plan, weather }: { readonly plan: Plan; readonly weather: Weather },
    network: Network,
    { ledger, engineLedger }: { readonly ledger: Ledger; readonly engineLedger: EngineLedger },
  ) {
    this.#world = world;
    this.#plan = plan;
    this.#weather = weather;
    this.#network = network;
    this.#ledger = ledger;
    this.#engineLedger = engineLedger;
    this.#troubles = new Troubles(() => world.now);
  }

  get counts(): { readonly begun: number; readonly answered: number; readonly held: number } {
    const counts = this.#rankings.flatMap(({ load, scoring }) =>
      scoring ? [load.counts, scoring.counts] : [load.counts],
    );
    return {
      begun: counts.reduce((sum, { begun }) => sum + begun, 0),
      answered: counts.reduce((sum, { answered }) => sum + answered, 0),
      held: this.#rankings.reduce((sum, { transport }) => sum + transport.held, 0),
    };
  }

  async play(): Promise<void> {
    const [world, plan, troubles] = [this.#world, this.#plan, this.#troubles];
    const { nodes, workers, tables } = plan;
    const rows = await SimulatedRows.load(world.dice.fork(), plan, slotRanges(nodes, workers));
    const cluster = new SimulatedCluster({
      ...{ world, network: this.#network, nodes: nodeNames(nodes), workers, tables, rows },
      healthOf: (node) => this.#health(node),
    });
    await cluster.start();
    const rankings: Ranking[] = [];
    const own = {
      world,
      plan,
      network: this.#network,
      cluster,
      rows,
      troubles,
      heldUntil: () => this.#heldUntil,
    };
    for (let i = 0; i < plan.rankers; i++) rankings.push(await openRanking(i, own));
    this.#rankings = rankings;
    world.check = () => this.#compare();
    const faults = new Faults({ world, plan, cluster, rankers: rankings, troubles });
    const withinMs = Math.max(100, (plan.lookups * plan.betweenMs) / plan.rankers);
    await Promise.all([
      ...rankings.map((ranking) => this.#storm(ranking)),
      ...rankings.map(({ scoring }) => scoring?.storm()),
      faults.run(withinMs),
      ...rankings.map(({ engines }) => engines && new EngineFaults(world, engines).run(withinMs)),
    ]);
    await world.sleep(recoveryMsMax);
    await Promise.all(rankings.map((ranking) => this.#calm(ranking, cluster)));
    await this.#settle(cluster);
    for (const ranking of rankings) await this.#spendCredits(ranking, cluster);
    await this.#settle(cluster);
    for (const { scoring } of rankings) await scoring?.close();
    for (const ranking of rankings) await this.#close(ranking);
    await cluster.close();
    await world.sleep(recoveryMsMax);
    if (world.timers > 0) throw new Error(`${world.timers} timers are left`);
  }

  /** What nodes may send now is what the rankers say, and rankers hedge within their budgets. */
  #compare(): void {
    for (const { ranker, transport, engines } of this.#rankings) {
      if (engines !== undefined) {
        engines.compare();
        continue;
      }
      const { replyBytesUnderWay: said, hedged, subrequests } = ranker.stats;
      if (said !== transport.replyBytes)
        throw new Error(`nodes may send ${transport.replyBytes} bytes, the ranker says ${said}`);
      if (hedged > hedgeReserve + hedgeShareMax * subrequests)
        throw new Error(`${hedged} of ${subrequests} subrequests were hedged`);
    }
  }

  #health(node: string): Health {
    return { replyMs: () => 0, full: false, onOverload: () => this.#troubles.note('overload', node) };
  }

  /** Lookups that begin independently of each other, and perhaps a crowd of them, while there are faults. */
  async #storm({ load, requests, known }: Ranking): Promise<void> {
    const { lookups, rankers, betweenMs, crowd } = this.#plan;
    const own = Math.ceil(lookups / rankers);
    const dice = this.#world.dice.fork();
    const crowdAt = dice.between(0, own - 1);
    const begun: Promise<void>[] = [];
    for (let i = 0; i < own; i++) {
      for (let more = i === crowdAt ? 1 + crowd : 1; more > 0; more--) {
        const request = more > 1 || dice.chance(0.5) ? dice.pick(known) : requests.draw();
        begun.push(load.lookUp(request, givenOf(dice)));
      }
      await this.#world.sleep(dice.wait(betweenMs));
    }
    await Promise.all(begun);
  }

  /** After the last fault, all lookups succeed that do not need a node that is dead, or that their ranker does not reach. */
  async #calm({ load, requests, known, apart }: Ranking, cluster: SimulatedCluster): Promise<void> {
    const core = coreTables(cluster, apart);
    if (core.length === 0) return;
    const deadline = this.#plan.replicas > 1 ? movedDeadlineMs : calmDeadlineMs;
    const given = { deadline, strict: true };
    for (let i = 0; i < calmLookups / 2; i++) await load.lookUp(requests.draw(core), given);
    await Promise.all(Array.from({ length: calmLookups / 2 }, () => load.lookUp(requests.draw(core), given)));
    // A cache may still have what an earlier routing table gave.
    const names = new Set(core.map(({ spec }) => spec.name));
    const again = known.filter(({ tables }) => [...tables].every((name) => names.has(name)));
    await Promise.all(again.map((request) => load.lookUp(request, given)));
  }

  get #outstanding(): number {
    return this.#rankings.reduce((sum, { transport }) => sum + transport.outstanding(), 0);
  }

  /** All credits come back, and all memory is free again. */
  async #settle(cluster: SimulatedCluster): Promise<void> {
    // An engine hears a moment later that nobody waits for a lookup any more.
    for (const { transport, engines } of this.#rankings)
      if (engines === undefined && transport.wanted > 0)
        throw new Error(`all lookups have ended, but ${transport.wanted} subrequests are not cancelled`);
    for (let ms = 0; this.#outstanding > 0; ms += recoveryMsMax) {
      if (ms > goneMsMax) throw new Error(`${this.#outstanding} subrequests never end`);
      await this.#world.sleep(recoveryMsMax);
    }
    for (const { transport } of this.#rankings)
      if (transport.replyBytes > 0)
        throw new Error(`${transport.replyBytes} bytes of replies never come back`);
    // A node hears a moment later that its last reply has left, and much later that a ranker is gone.
    await this.#world.sleep(this.#plan.apart === undefined ? 1 : 2 * stuckMsMax);
    for (const { engines } of this.#rankings) await engines?.check();
    const threads = this.#rankings.flatMap(({ engines }) => engines?.threads.live ?? []);
    this.#engineLedger.check(new Set(threads.map(({ processor }) => processor)));
    const { lookup, plan } = this.#ledger.shared;
    const rankers = this.#plan.engines === undefined ? this.#plan.rankers : threads.length;
    if (lookup > 0) throw new Error(`${lookup} allocations of lookups are left in the rankers`);
    if (plan !== rankers)
      throw new Error(`the rankers keep ${plan} routing tables in memory, not ${rankers}`);
    for (const node of cluster.nodes) {
      for (const process of node.processes) process.check(node.name);
    }
  }

  /** A session has exactly as many credits as its window, whatever has happened to it. */
  async #spendCredits(ranking: Ranking, cluster: SimulatedCluster): Promise<void> {
    const { load, requests, transport, ranker, engines, processor, apart } = ranking;
    const core = coreTables(cluster, apart);
    const placed = core
      .flatMap((table) => table.shards.map((shard) => ({ table, shard })))
      // Lookups go to another replica of a node that is held.
      .filter(({ shard }) => shard.replicas === undefined);
    if (placed.length === 0) return;
    const { table, shard } = this.#world.dice.pick(placed);
    const node = cluster.nodes.find(({ name }) => name === shard.node);
    if (node === undefined) return;
    const window = sessionWindow * this.#plan.workers;
    // Every lookup is to take a credit.
    await this.#world.in(processor, () => ranker.resizeCache('off'));
    const request = requests.ofRow(table, shard.begin);
    const lookUp = (deadline = calmDeadlineMs): Promise<void> => load.lookUp(request, { deadline });
    const inFlight = (): number => transport.outstanding(node.urls);
    const windows = { world: this.#world, node, workers: this.#plan.workers, lookUp, inFlight };
    Object.assign(this.#weather, calmWeather);
    // Each engine has a window of its own.
    if (this.#plan.shrinks && engines === undefined) await shrinkWindow(windows);
    await openWindows(windows);
    this.#heldUntil = Number.POSITIVE_INFINITY;
    node.machine.hold();
    const { repliesHeld } = ranker.stats;
    const lookups = Array.from({ length: window + waitingLookups }, () => lookUp());
    await this.#world.sleep(recoveryMsMax / 2);
    const taken = inFlight();
    node.machine.release();
    this.#heldUntil = this.#world.now;
    // Over a connection that does not take credits yet, subrequests wait here for memory.
    const isShort = ranker.stats.repliesHeld > repliesHeld;
    // An engine without memory for another one sends over a connection of its own.
    const most = engines ? window * engines.connections : window;
    if (isShort || engines ? taken > most : taken !== window)
      throw new Error(`${node.name} has ${taken} credits, not ${window}`);
    await Promise.all(lookups);
  }

  /** Lookups end when their ranker is closed. */
  async #close({ load, requests, ranker, processor }: Ranking): Promise<void> {
    const last = [1, 2, 3].map(() => load.lookUp(requests.draw(), { deadline: 10_000 }));
    await this.#world.sleep(this.#world.dice.between(0, this.#plan.weather.delayMsMax));
    load.closing = true;
    await this.#world.in(processor, () => ranker.close());
    await Promise.all(last);
    const { begun, ended } = load.counts;
    if (begun !== ended) throw new Error(`${begun} lookups began, and ${ended} ended`);
  }
}
