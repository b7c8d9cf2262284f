// What goes wrong while a cluster changes.
import { clusterStatus } from '../../src/host/cluster-status.ts';
import { namedReleases, type Release } from '../../src/plan/cluster.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { KeptCluster } from '../../src/plan/kept-cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import { Processor } from '../../src/simulation/processor.ts';
import type { ChangesRun } from './changes.ts';
import type { ChangeFault } from './changes-plan.ts';
import type { ChangingNode } from './changing-node.ts';
import type { FollowingRanker } from './following-ranker.ts';
import { TruthBucket } from './truth-bucket.ts';

/** What is at fault if no node is. */
const truthName = 'truth';
/** All faults begin by then. */
const withinMs = 8_000;
/** Without the truth for so long, leases may be gone. */
const isolatedMsMin = 8_000;
/** Until everybody has read a truth that was set back, whoever has told them. */
const readMsMax = 13_000;

export class ChangeFaults {
  readonly #run: ChangesRun;
  readonly #dice: Dice;
  readonly #busy = new Set<ChangingNode>();
  /** Those that have ended, and do not serve again. */
  readonly #starting = new Set<ChangingNode>();
  /** Whether somebody writes the truth without asking. */
  #isTouched = false;

  constructor(run: ChangesRun) {
    this.#run = run;
    this.#dice = run.world.dice.fork();
  }

  /** @returns once all of them have ended */
  async run(isDone: () => boolean): Promise<void> {
    const { plan, world } = this.#run;
    await Promise.all(
      plan.faults.map(async (fault) => {
        await world.sleep(this.#dice.between(0, withinMs));
        if (!isDone()) await this.#fault(fault);
      }),
    );
  }

  async #fault(fault: ChangeFault): Promise<void> {
    const { world, truth } = this.#run;
    const ms = this.#dice.pick([50, 1_000, 4_000, 20_000]);
    world.history.add(`fault: ${fault}, ${ms} ms`);
    if (fault === 'restart') await this.#restart(ms);
    else if (fault === 'away') await this.#away(ms);
    else if (fault === 'cut ranker') await this.#cut(this.#live(), ms);
    else if (fault === 'cut node') await this.#cutNode(ms);
    else if (fault === 'leases') await this.#loseLeases();
    else if (fault === 'leases at flip') await this.#loseLeasesAtFlip();
    else if (fault === 'empty') await this.#empty(ms);
    else if (fault === 'back') await this.#back();
    else if (fault === 'deafen') truth.deafen();
    else if (fault === 'missing') await this.#missing(ms);
    else if (fault === 'kill ranker') await this.#killRanker();
    else if (fault !== 'slow') await this.#run.updates?.fault(fault, ms);
    else await this.#pause(Math.min(ms, 1_000));
  }

  #live(): FollowingRanker | undefined {
    const live = this.#run.rankers.filter(({ processor }) => !processor.dead);
    return live.length === 0 ? undefined : this.#dice.pick(live);
  }

  /** One node at a time if another one has the same rows. */
  #node(): ChangingNode | undefined {
    const { nodes, plan } = this.#run;
    const node = this.#dice.pick(nodes);
    return this.#busy.has(node) || this.#starting.has(node) || (plan.replicas > 1 && this.#busy.size > 0)
      ? undefined
      : node;
  }

  /** A node ends, and starts again. It is at fault until it serves what the truth names, if it has a place there. */
  async #restart(ms: number): Promise<void> {
    const node = this.#node();
    if (node === undefined) return;
    const { world, truth, troubles } = this.#run;
    this.#busy.add(node);
    const end = troubles.begin('restart', node.name);
    this.#starting.add(node);
    void node.restart(Math.min(ms, 4_000), this.#dice.chance(0.3)).then(() => this.#starting.delete(node));
    const named = (): Release[] | undefined => {
      return truth.entry && namedReleases(truth.cluster, node.name);
    };
    const serves = (): boolean =>
      named()?.every(({ routing }) => !this.#starting.has(node) && node.current?.serves(planName(routing))) ??
      false;
    // What cannot be loaded may never be.
    for (let i = 0; i < 100 && !serves(); i++) await world.sleep(100);
    while (named()?.length !== 0 && this.#starting.has(node)) await world.sleep(100);
    end();
    this.#busy.delete(node);
  }

  async #pause(ms: number): Promise<void> {
    const node = this.#node();
    if (node === undefined) return;
    this.#busy.add(node);
    const end = this.#run.troubles.begin('pause', node.name);
    node.machine.hold();
    await this.#run.world.sleep(ms);
    node.machine.release();
    end();
    this.#busy.delete(node);
  }

  async #away(ms: number): Promise<void> {
    const { world, truth, troubles } = this.#run;
    const ends = [
      troubles.begin('away', truthName),
      ...(ms >= isolatedMsMin ? [troubles.begin('isolated', truthName)] : []),
    ];
    truth.away = true;
    await world.sleep(ms);
    truth.away = false;
    await this.#renewed();
    for (const end of ends) end();
  }

  async #cut(party: { readonly processor: Processor } | undefined, ms: number): Promise<void> {
    if (party === undefined) return;
    const { world, truth, troubles } = this.#run;
    const { processor } = party;
    const end = troubles.begin(`cut ${processor.name}`, truthName);
    const endIsolated = ms >= isolatedMsMin ? troubles.begin('isolated', truthName) : undefined;
    truth.cut.add(processor);
    await world.sleep(ms);
    truth.cut.delete(processor);
    await this.#renewed();
    end();
    endIsolated?.();
  }

  async #cutNode(ms: number): Promise<void> {
    const { truth, world } = this.#run;
    const main = this.#dice.pick(this.#run.nodes).current?.main;
    if (main === undefined) return;
    truth.cut.add(main);
    await world.sleep(ms);
    truth.cut.delete(main);
  }

  /** Until leases are renewed, and watches have seen what is there. */
  async #renewed(): Promise<void> {
    await this.#run.world.sleep(readMsMax);
  }

  /** All leases are gone at once. Nodes are suspect then, and nothing else changes. */
  async #loseLeases(): Promise<void> {
    const { truth, troubles } = this.#run;
    const end = troubles.begin('leases', truthName);
    truth.loseLeases();
    await this.#askStatus();
    await this.#renewed();
    end();
  }

  /** All leases are gone as soon as rankers are to use another release. */
  async #loseLeasesAtFlip(): Promise<void> {
    const { truth, troubles } = this.#run;
    const isFlipped = await new Promise<boolean>((resolve) => {
      this.#run.onFlip = () => {
        truth.loseLeases();
        resolve(true);
      };
      void this.#run.world.sleep(2 * withinMs).then(() => resolve(false));
    });
    this.#run.onFlip = () => {};
    if (!isFlipped) return;
    const end = troubles.begin('leases', truthName);
    await this.#renewed();
    end();
  }

  /** `flexemr status`. @throws if a node without a lease is not listed, or not suspect */
  async #askStatus(): Promise<void> {
    const { world, truth, network } = this.#run;
    const processor = new Processor('status');
    const work = async (): Promise<void> => {
      const store = new KeptCluster(new TruthBucket(truth, processor));
      const transport = new Descriptions(network);
      try {
        const { cluster, revision } = await store.read();
        const leases = await store.leases.read();
        const status = await clusterStatus({ source: '', revision, cluster, leases }, transport);
        const held = new Set(leases.nodes.map(({ node }) => node));
        for (const { id } of cluster.serving.routing.nodes) {
          const found = status.nodes.find(({ node }) => node === id);
          if (found?.suspect !== !held.has(id))
            world.fail(
              new Error(`without its lease, ${id} is ${found === undefined ? 'not listed' : 'not suspect'}`),
            );
        }
      } catch {
        // It does not reach the truth.
      } finally {
        await store.close();
        await transport.close();
      }
    };
    await world.in(processor, work);
  }

  /** Somebody deletes the truth, and writes it again. */
  async #empty(ms: number): Promise<void> {
    const { truth, world } = this.#run;
    if (this.#isTouched) return;
    this.#isTouched = true;
    const text = truth.entry?.text;
    truth.empty();
    await world.sleep(ms);
    if (text !== undefined) truth.put(text);
    this.#isTouched = false;
  }

  /** Somebody writes an earlier truth. */
  async #back(): Promise<void> {
    const { truth, troubles, world, nodes } = this.#run;
    if (this.#isTouched) return;
    this.#isTouched = true;
    const end = troubles.begin('back', truthName);
    truth.put(this.#dice.pick(truth.texts));
    const plan = planName(truth.cluster.serving.routing);
    const holders = new Set(truth.cluster.serving.routing.nodes.map(({ id }) => id));
    const own = nodes.filter(({ name }) => holders.has(name));
    for (let i = 0; i < 300 && !own.every(({ current }) => current?.serves(plan)); i++)
      await world.sleep(100);
    await this.#renewed();
    end();
    this.#isTouched = false;
  }

  async #missing(ms: number): Promise<void> {
    this.#run.isMissing = true;
    await this.#run.world.sleep(ms);
    this.#run.isMissing = false;
  }

  /** A ranker dies. Its lease ends by itself, and another one starts. */
  async #killRanker(): Promise<void> {
    const ranker = this.#live();
    // Of one that opens, nobody would open another.
    if (!ranker?.isOpen || this.#busy.size > 0) return;
    ranker.kill();
    await this.#run.world.sleep(this.#dice.between(0, 2_000));
    await this.#run.openRanker();
  }
}
