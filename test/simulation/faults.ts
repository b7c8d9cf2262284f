// What goes wrong in a simulation, and when.
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { movesMax, type SimulatedCluster, type SimulatedNode } from '../../src/simulation/cluster.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { World } from '../../src/simulation/world.ts';
import type { SimulatedEngines } from './engine-ranker.ts';
import type { SimulatedRanker } from './load.ts';
import { movedTables, type Plan } from './plan.ts';
import { creditsBreak, engineDeath, type Troubles } from './troubles.ts';

/** Until a ranker hears of a routing table that its nodes have already. */
const publishMsMax = 200;

interface FaultyRanker extends SimulatedRanker {
  /** What went wrong only for it. */
  readonly troubles: Troubles;
  readonly engines: SimulatedEngines | undefined;
}

export interface FaultyCluster {
  readonly world: World;
  readonly plan: Plan;
  readonly cluster: SimulatedCluster;
  readonly rankers: readonly FaultyRanker[];
  readonly troubles: Troubles;
}

/** Between two breaks of the connections that carry credits. */
const creditsBreakMsMax = 20;

export class Faults {
  readonly #of: FaultyCluster;
  readonly #dice: Dice;
  #moves = 0;
  /** The change of the routing table that is under way. */
  #moving = false;

  constructor(of: FaultyCluster) {
    this.#of = of;
    this.#dice = of.world.dice.fork();
  }

  /** @param withinMs all of them begin by then @returns once all of them have ended */
  async run(withinMs: number): Promise<void> {
    const { plan, world } = this.#of;
    const all = Array.from({ length: plan.faults }, async () => {
      await world.sleep(this.#dice.between(0, withinMs));
      await this.#one();
    });
    if (plan.dead !== undefined) all.push(this.#die(plan.dead, this.#dice.between(0, withinMs)));
    if (plan.breaksCredits) all.push(this.#breakCredits(withinMs));
    if (plan.apart !== undefined) all.push(this.#part(plan.apart, this.#dice.between(0, withinMs)));
    await Promise.all(all);
  }

  async #one(): Promise<void> {
    const dice = this.#dice;
    const node = dice.pick(this.#of.cluster.nodes);
    const kind = dice.pick(['break', 'break', 'crash', 'pause', 'slow', 'full', 'move', 'restart', 'resize']);
    const ms = dice.pick([5, 50, 400, 1_500]);
    if (node.dead) return;
    this.#of.world.history.add(`fault: ${kind} ${node.name}, ${ms} ms`);
    if (kind === 'break') this.#break(node);
    else if (kind === 'crash') await this.#crash(node, ms, dice.chance(0.5));
    else if (kind === 'pause') await this.#pause(node, ms);
    else if (kind === 'slow') await this.#slow(node, ms);
    else if (kind === 'full') await this.#full(node, ms);
    else if (kind === 'move') await this.#move(false);
    else if (kind === 'restart') await this.#move(true);
    else await this.#resize(dice.pick(this.#of.rankers));
  }

  #break(node: SimulatedNode): void {
    this.#of.troubles.note('break', node.name);
    node.machine.break(this.#of.world, this.#dice, this.#dice.pick([0.5, 1]));
  }

  /** Breaks the connections that carry credits, again and again. */
  async #breakCredits(ms: number): Promise<void> {
    const { cluster, troubles, world } = this.#of;
    const end = troubles.begin(creditsBreak);
    for (const until = world.now + ms; world.now < until; ) {
      for (const { machine } of cluster.nodes) machine.break(world, this.#dice, 1, true);
      await world.sleep(this.#dice.between(1, creditsBreakMsMax));
    }
    end();
  }

  /** @param silent the ranker is not told, because the whole machine has failed */
  async #crash(node: SimulatedNode, ms: number, silent: boolean): Promise<void> {
    if (!node.up) return;
    const end = this.#of.troubles.begin('crash', node.name);
    if (silent) node.machine.hold();
    node.crash();
    await this.#of.world.sleep(ms);
    await node.start();
    if (silent) node.machine.release();
    end();
  }

  async #pause(node: SimulatedNode, ms: number): Promise<void> {
    if (!node.up) return;
    const end = this.#of.troubles.begin('pause', node.name);
    node.machine.hold();
    await this.#of.world.sleep(ms);
    if (!node.dead) node.machine.release();
    end();
  }

  async #slow(node: SimulatedNode, ms: number): Promise<void> {
    const end = this.#of.troubles.begin('slow', node.name);
    const most = this.#dice.pick([5, 50, 500]);
    const { replyMs } = node.health;
    node.health.replyMs = () => this.#dice.between(0, most);
    await this.#of.world.sleep(ms);
    node.health.replyMs = replyMs;
    await this.#of.world.sleep(most);
    end();
  }

  async #full(node: SimulatedNode, ms: number): Promise<void> {
    const end = this.#of.troubles.begin('full', node.name);
    node.health.full = true;
    await this.#of.world.sleep(ms);
    node.health.full = false;
    end();
  }

  /** Shards move, and perhaps tables are cut at other rows. @param inPlace nodes take the new routing table at the same ports, before the ranker hears of it */
  async #move(inPlace: boolean): Promise<void> {
    const { cluster, plan, troubles, world } = this.#of;
    if (this.#moving || this.#moves === movesMax) return;
    this.#moving = true;
    this.#moves++;
    const end = troubles.begin('move');
    const live = cluster.nodes.filter(({ dead }) => !dead);
    const names = live.map(({ name }) => name);
    const cut = this.#dice.pick([cluster.routing.tables, plan.tables, plan.recut]);
    const tables = movedTables(this.#dice, cut, names);
    if (inPlace) {
      const routing = cluster.routingOf(tables);
      cluster.routing = routing;
      const endRollout = troubles.begin('rollout');
      await Promise.all(live.map((node) => node.restart(routing, this.#dice.between(1, 50))));
      endRollout();
      await world.sleep(this.#dice.between(0, publishMsMax));
      await this.#publish(routing);
    } else {
      const stops = live.map((node) => node.move());
      const routing = cluster.routingOf(tables);
      await Promise.all(live.map((node) => node.start(routing)));
      await world.sleep(this.#dice.between(0, publishMsMax));
      await this.#publish(routing);
      await world.sleep(this.#dice.between(0, publishMsMax));
      await Promise.all(stops.map((stop) => stop()));
    }
    this.#moving = false;
    end();
  }

  /** The ranker hears of a routing table, perhaps while its cache gets another size. */
  async #publish(routing: RoutingTable): Promise<void> {
    const { rankers } = this.#of;
    const resized = this.#dice.chance(0.7) ? rankers.map((ranker) => this.#resize(ranker)) : [];
    this.#of.cluster.publish(routing);
    await Promise.all(resized);
  }

  async #resize({ ranker, troubles }: FaultyRanker): Promise<void> {
    const began = this.#of.world.now;
    const size = this.#dice.chance(0.2) ? 'off' : 2 ** this.#dice.between(16, 18);
    await ranker.resizeCache(size).catch((error: unknown) => {
      // The size of engines that have ended.
      if (!troubles.during(engineDeath, began)) throw error;
    });
  }

  async #part({ ranker, node }: NonNullable<Plan['apart']>, atMs: number): Promise<void> {
    const { cluster, rankers, world } = this.#of;
    await world.sleep(atMs);
    const { processor, troubles, engines } = rankers[ranker];
    world.history.add(`fault: ${processor.name} and ${node} are apart`);
    troubles.begin('partition', node);
    const machine = cluster.nodes.find(({ name }) => name === node)?.machine;
    for (const thread of [processor, ...(engines?.threads.live ?? []).map((engine) => engine.processor)])
      machine?.part(thread);
  }

  async #die(name: string, atMs: number): Promise<void> {
    const { cluster, troubles, world } = this.#of;
    await world.sleep(atMs);
    world.history.add(`fault: ${name} dies`);
    troubles.begin('death', name);
    cluster.nodes.find((node) => node.name === name)?.die(this.#dice.chance(0.5));
  }
}
