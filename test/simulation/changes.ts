// A cluster that changes while it serves, and what must be true of it.
import { leaseMs } from '../../src/cluster-limits.ts';
import { type Cluster, clusterJson, namedReleases, type Release } from '../../src/plan/cluster.ts';
import type { RankerLease } from '../../src/plan/cluster-leases.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { holdersIn, holdersOf } from '../../src/plan/routing-table.ts';
import type { AtLeast } from '../../src/ranker/wanted-rows.ts';
import type { Network } from '../../src/simulation/network.ts';
import type { World } from '../../src/simulation/world.ts';
import { ChangeFaults } from './change-faults.ts';
import type { ChangesPlan } from './changes-plan.ts';
import { ChangingNode } from './changing-node.ts';
import { type Ended, FollowingRanker } from './following-ranker.ts';
import { changeMsMax, Operators } from './operators.ts';
import { recoveryMsMax, Troubles } from './troubles.ts';
import { inShort, Truth, type Written } from './truth.ts';
import { UpdatesRun } from './updates-run.ts';
import { versioned } from './versioned-shards.ts';

const strictLookups = 3;
const behindCodes: readonly string[] = ['STALE_ROWS', 'STALE_ROUTING', 'DEADLINE_EXCEEDED'];
/** Of lookups after the last fault. */
const strictDeadlineMs = 5_000;

/** How a lookup was asked for. */
interface Asked {
  readonly deadline: number;
  readonly atLeast: AtLeast | undefined;
  /** Whether nothing may go wrong. */
  readonly isStrict: boolean;
}

export class ChangesRun {
  readonly world: World;
  readonly network: Network;
  readonly plan: ChangesPlan;
  readonly truth: Truth;
  readonly troubles: Troubles;
  readonly nodes: readonly ChangingNode[];
  readonly rankers: FollowingRanker[] = [];
  /** Whether tables cannot be read now. */
  isMissing = false;
  /** Hears when rankers are to use another release. */
  onFlip: () => void = () => {};
  readonly operators: Operators;
  /** Undefined: rows do not change. */
  readonly updates: UpdatesRun | undefined;
  readonly #storms: Promise<void>[] = [];
  #answered = 0;
  #stopped = false;
  #closing = false;

  constructor(world: World, network: Network, plan: ChangesPlan) {
    this.world = world;
    this.network = network;
    this.plan = plan;
    this.operators = new Operators(this);
    this.troubles = new Troubles(() => world.now);
    this.updates = plan.updates && new UpdatesRun(this, plan.updates);
    this.truth = new Truth(world, plan.truth, (written) => this.#written(written));
    const { workers, headroom, slotBytes, messageMsMax, shardMsMax, replyMsMax } = plan;
    const dice = world.dice.fork();
    this.nodes = Array.from(
      { length: plan.nodes },
      (_, i) =>
        new ChangingNode(i, {
          ...{ world, network, truth: this.truth, workers, headroom, slotBytes, clock: plan.clocks[i] },
          messageMs: () => dice.share() * messageMsMax,
          shardMs: () => dice.between(1, shardMsMax),
          replyMs: () => (replyMsMax > 0 && dice.chance(0.3) ? dice.between(1, replyMsMax) : 0),
          isMissing: () => this.isMissing,
          updates: this.updates?.ofNode,
        }),
    );
  }

  get counts(): { readonly lookups: number; readonly answered: number } {
    const lookups = this.rankers.reduce((sum, { begun }) => sum + begun, 0);
    return { lookups, answered: this.#answered };
  }

  async play(): Promise<void> {
    const { plan, truth } = this;
    const { split, replicas } = plan;
    const nodes = this.nodes.map(({ planned }) => planned);
    const { routing } = planSharding({
      tables: versioned(1, plan.rows, plan.updates?.tables),
      nodes,
      split,
      replicas,
    });
    truth.put(clusterJson({ serving: { routing } }));
    await Promise.all(this.nodes.map((node) => node.start()));
    for (let i = 0; i < plan.rankers; i++) await this.openRanker();
    await this.updates?.begin();
    const faults = new ChangeFaults(this);
    let isDone = false;
    const changing = this.operators.change().finally(() => {
      isDone = true;
    });
    await Promise.all([changing, faults.run(() => isDone)]);
    await this.#calm();
    this.#stopped = true;
    await Promise.all(this.#storms);
    await this.#close();
  }

  /** Another ranker, with a clock that one before it had. Its lookups begin. */
  async openRanker(): Promise<void> {
    const { world, network, truth, plan } = this;
    const number = this.rankers.length;
    const clock = plan.clocks[plan.nodes + (number % plan.rankers)];
    const ranker = new FollowingRanker(number, {
      ...{ world, network, truth, clock, cache: plan.cache, rows: plan.rows },
      updated: plan.updates?.tables ?? [],
    });
    this.rankers.push(ranker);
    await ranker.open();
    this.#storms.push(this.#storm(ranker));
  }

  /** Lookups that begin independently of each other, until it stops. */
  async #storm(ranker: FollowingRanker): Promise<void> {
    const { world, plan } = this;
    const dice = world.dice.fork();
    const begun: Promise<void>[] = [];
    while (!this.#stopped && !ranker.processor.dead) {
      begun.push(this.#lookUp(ranker, dice.pick([1_000, 5_000])));
      await world.sleep(dice.wait(plan.betweenMs));
    }
    if (!ranker.processor.dead) await Promise.all(begun);
  }

  async #lookUp(ranker: FollowingRanker, deadline: number, isStrict = false): Promise<void> {
    const atLeast = isStrict ? undefined : this.updates?.mark();
    const ended = await ranker.lookUp(deadline, atLeast);
    if (ended.version !== undefined) this.#answered++;
    this.#check(ranker, ended);
    this.updates?.check(ended, ranker.processor.name, atLeast);
    // Updates that are asked for may come later, or be lost.
    const isBehind = atLeast !== undefined && behindCodes.includes(ended.error?.code ?? '');
    if (ended.error !== undefined && !isBehind) this.#explain(ranker, ended, { deadline, atLeast, isStrict });
  }

  /** The version was served, and not only before a change that has ended. */
  #check({ processor, floor }: FollowingRanker, { begun, version }: Ended): void {
    if (version === undefined) return;
    const { served } = this.truth;
    const since = begun > floor ? served.findLastIndex(({ at }) => at <= floor) : 0;
    const allowed = served.slice(Math.max(0, since)).map((each) => each.version);
    if (!allowed.includes(version))
      throw new Error(`${processor.name} uses version ${version}, but ${allowed} are served`);
  }

  /** @throws if no fault explains an error */
  #explain(ranker: FollowingRanker, { begun, error }: Ended, { deadline, atLeast, isStrict }: Asked): void {
    const { troubles, plan } = this;
    if (error?.code === 'RELEASED' && this.#closing) return;
    const unexplained = new Error(
      `nothing explains how a lookup of ${ranker.processor.name} fails: ${error}`,
    );
    const codes: readonly string[] = ['UNAVAILABLE', 'OVERLOADED', 'DEADLINE_EXCEEDED', 'STALE_ROUTING'];
    if (error === undefined || isStrict || !codes.includes(error.code)) throw unexplained;
    const since = begun - recoveryMsMax;
    // It was given another truth, which nodes had not loaded.
    if (troubles.during('back', since)) return;
    // Rows that are not those of the log are not answered.
    if (troubles.during('fork', since)) return;
    // Nobody waits for a ranker without a lease. It reads what is served, if it reaches it in time.
    const isLost = troubles.during('leases', since) || troubles.during('isolated', since);
    const isApart = troubles.during('away', since) || troubles.during(`cut ${ranker.processor.name}`, since);
    const isSlow = plan.truth.lateShare + plan.truth.lostShare > 0 || deadline <= plan.truth.delayMsMax * 5;
    if (isLost && (isApart || isSlow)) return;
    const down = this.nodes.filter(({ name }) => troubles.explain(new Set([name]), begun, this.world.now));
    if (down.length >= plan.replicas) return;
    // A replica is asked when the other one says nothing. It may lack the updates that were asked for.
    if (down.length > 0 && (deadline < strictDeadlineMs || atLeast !== undefined)) return;
    throw unexplained;
  }

  /** A command has changed the truth. */
  #written({ step, cluster, by, isBack = false }: Written): void {
    const { world, truth, troubles } = this;
    const plan = planName(cluster.serving.routing);
    for (const release of [cluster.serving, cluster.next]) if (release) this.updates?.know(release.routing);
    if (step === 'flip') {
      this.onFlip();
      for (const node of this.#holders(cluster.serving)) {
        const isDown = troubles.explain(new Set([node.name]), world.now, world.now);
        if (!isDown && !node.current?.serves(plan))
          world.fail(new Error(`${node.name} has not loaded what rankers are to use`));
      }
    }
    if (step !== 'end') return;
    for (const { party, newest } of truth.knownRankers(by, isBack)) {
      const { plan: used } = JSON.parse(newest.text) as RankerLease;
      if (used !== plan)
        world.fail(new Error(`a change ends, but the lease of ${party.name} names another plan`));
      const ranker = this.rankers.find(({ processor }) => processor === party);
      // After an abort, a ranker that had just heard of the release that was aborted may use it a moment longer.
      if (ranker !== undefined && !isBack) ranker.floor = world.now;
    }
  }

  #holders({ routing }: Release): ChangingNode[] {
    const used = holdersIn(routing);
    return this.nodes.filter(({ name }) => used.has(name));
  }

  /** After the last fault, a command that is started again and again changes the cluster. Then all is as it was before. */
  async #calm(): Promise<void> {
    const { world, truth } = this;
    truth.isCalm = true;
    world.history.add('calm');
    await this.updates?.calm();
    await this.operators.finish();
    await this.updates?.goOn();
    const { cluster } = truth;
    if (inShort(cluster).includes(',')) throw new Error(`a change has ended, and leaves ${inShort(cluster)}`);
    await this.#freed(cluster);
    await this.#checkLeases();
    for (const ranker of this.rankers)
      if (!ranker.processor.dead)
        for (let i = 0; i < strictLookups; i++) await this.#lookUp(ranker, strictDeadlineMs, true);
    await this.updates?.startWithoutBatches();
  }

  /** Nodes have what is served, and nothing else, in as much memory as before. */
  async #freed(cluster: Cluster): Promise<void> {
    const { world, plan } = this;
    const { routing } = cluster.serving;
    const name = planName(routing);
    const isSettled = (node: ChangingNode): boolean => {
      const releases = node.current?.releases ?? [];
      return releases.length === 1 && releases[0].plan === name && releases[0].state === 'ready';
    };
    const own = this.nodes.filter((node) => namedReleases(cluster, node.name).length > 0);
    for (const began = world.now; !own.every(isSettled); await world.sleep(200))
      if (world.now - began > changeMsMax) {
        const all = own.map((node) => `${node.name}: ${JSON.stringify(node.current?.releases)}`);
        throw new Error(`nodes do not settle: ${all}`);
      }
    // What has been left out is freed when its last subrequest has ended.
    await world.sleep(recoveryMsMax);
    for (const { name: id, current } of own) {
      if (current === undefined) throw new Error(`${id} does not serve`);
      const shards = routing.tables.flatMap(({ spec, shards }) =>
        shards
          .filter((shard) => holdersOf(shard).includes(id))
          .map(({ begin, end }) => (end - begin) * spec.dim * 4),
      );
      const bytes = shards.reduce((sum, each) => sum + each, 0);
      const { rowBytes, arenaBytes } = current.held;
      if (rowBytes !== bytes) throw new Error(`${id} has ${rowBytes} bytes of rows, not ${bytes}`);
      // A node that is told of an earlier truth may load it beside two others.
      const isBack = plan.faults.includes('back');
      const isFlat = !plan.grows && !isBack && plan.changes.every((change) => change === 'swap');
      const most = current.firstArenaBytes * (plan.headroom > 0 ? 1 : 2);
      if (isFlat && arenaBytes > most)
        throw new Error(`${id} has arenas of ${arenaBytes} bytes, not ${most}`);
    }
  }

  /** Who lives has a lease, or soon has one again. */
  async #checkLeases(): Promise<void> {
    const { world, truth } = this;
    const without = (): string[] => {
      const held = new Set(truth.leases.map(({ party }) => party));
      const parties = [
        ...this.#holders(truth.cluster.serving).flatMap(({ current }) => current?.main ?? []),
        ...this.rankers.map(({ processor }) => processor).filter(({ dead }) => !dead),
      ];
      return parties.filter((party) => !held.has(party)).map(({ name }) => name);
    };
    for (const began = world.now; without().length > 0; await world.sleep(100))
      if (world.now - began > leaseMs) throw new Error(`without a lease: ${without()}`);
  }

  async #close(): Promise<void> {
    const { world } = this;
    this.#closing = true;
    await this.updates?.close();
    await Promise.all(this.rankers.map((ranker) => ranker.close()));
    await Promise.all(this.nodes.map((node) => node.stop()));
    for (const node of this.nodes) await node.close();
    await world.sleep(2 * recoveryMsMax);
    if (world.timers > 0) throw new Error(`${world.timers} timers are left`);
    for (const { processor, begun, ended } of this.rankers)
      if (!processor.dead && begun !== ended)
        throw new Error(`${processor.name}: ${begun} lookups began, and ${ended} ended`);
  }
}
