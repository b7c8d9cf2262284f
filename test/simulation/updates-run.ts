// Row updates of a simulated cluster, and what must be true of them.
import { natsAttemptMs } from '../../src/cluster-limits.ts';
import { type NumberedShard, numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { UpdateMark } from '../../src/updates/updater.ts';
import type { ChangesRun } from './changes.ts';
import type { UpdateFault, UpdatesPlan } from './changes-plan.ts';
import type { ChangingNode } from './changing-node.ts';
import type { Ended } from './following-ranker.ts';
import { SimulatedLog } from './simulated-log.ts';
import type { Entry } from './update-history.ts';
import { type Acknowledged, UpdateWriter } from './update-writer.ts';
import { type KnownChain, UpdatedRows } from './updated-rows.ts';

/** After the last fault, all replicas have what the log has by then. Checks that were left out come first. */
const settledMsMax = 100_000;
/** A fork is noticed by then, if the log answers. */
const noticedMsMax = 20_000;
const checkedMs = 3_000;
const auditMs = 500;
const pollMs = 200;
/** Between two deaths of threads. */
const killedAgainMsMax = 500;
/** Every node that reaches the log has found a batch by then. */
const strayMs = 6_000;
const marksMax = 6;

interface Floor {
  readonly incarnation: number;
  readonly number: bigint;
  readonly at: number;
}

interface Kept extends Acknowledged {
  readonly writer: UpdateWriter;
  readonly chain: string;
  readonly entry: Entry;
}

export class UpdatesRun {
  readonly log: SimulatedLog;
  readonly #run: ChangesRun;
  readonly #plan: UpdatesPlan;
  readonly #dice: Dice;
  readonly #chains = new Map<string, KnownChain>();
  readonly #routings = new Map<number, readonly NumberedShard[]>();
  readonly #writers: readonly UpdateWriter[];
  readonly #rows: UpdatedRows;
  readonly #floors = new Map<string, Floor>();
  readonly #marks: UpdateMark[] = [];
  readonly #acknowledged: Kept[] = [];
  /** Who has said that a chain has lost batches, and when. */
  readonly #told: { readonly by: UpdateWriter | 'node'; readonly chain: string; readonly at: number }[] = [];
  readonly #writing: Promise<void>[] = [];
  #stamp = 0;
  #stopped = false;

  constructor(run: ChangesRun, plan: UpdatesPlan) {
    this.#run = run;
    this.#plan = plan;
    this.log = new SimulatedLog(run.world, plan.log);
    this.log.onStray = () => void this.#stray();
    this.#rows = new UpdatedRows(() => run.nodes, this.log, this.#chains);
    this.#dice = run.world.dice.fork();
    const events = {
      nextStamp: () => ++this.#stamp,
      onAcknowledged: (writer: UpdateWriter, it: Acknowledged) => this.#hold(writer, it),
      onLost: (by: UpdateWriter, chain: string) => this.#lost(by, chain),
    };
    this.#writers = Array.from(
      { length: plan.writers },
      (_, i) => new UpdateWriter(i, run, this.log, events),
    );
  }

  /** Of nodes. */
  get ofNode(): {
    readonly log: SimulatedLog;
    readonly isBusy: () => boolean;
    readonly onReload: (chain: string) => void;
  } {
    return {
      log: this.log,
      isBusy: () => this.#dice.chance(this.#plan.busyShare),
      onReload: (chain) => this.#told.push({ by: 'node', chain, at: this.#run.world.now }),
    };
  }

  /** The cluster has a release. */
  know(routing: RoutingTable): void {
    const { version } = routing.tables[0];
    const shards = numberedShards(routing);
    this.#routings.set(version, shards);
    for (const planned of shards)
      if (planned.table.updates) this.#chains.set(chainName(planned), { planned, version });
  }

  async begin(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.open()));
    for (const writer of this.#writers) this.#writing.push(this.#write(writer));
    this.#writing.push(this.#audit());
  }

  async #write(writer: UpdateWriter): Promise<void> {
    while (!this.#stopped) {
      await this.#run.world.sleep(this.#dice.wait(this.#plan.betweenMs));
      if (!this.#stopped) await writer.write(this.#dice.pick(this.#plan.tables));
    }
  }

  async #audit(): Promise<void> {
    for (; !this.#stopped; await this.#run.world.sleep(auditMs)) this.#rows.compare();
  }

  /** What is acknowledged is in the chain, and what every replica has applied can be read from now on. */
  #hold(writer: UpdateWriter, it: Acknowledged): void {
    const name = `update ${it.stamp} of ${writer.processor.name}`;
    for (const [table, shards] of Object.entries(it.mark))
      for (const [number, { incarnation, number: place }] of Object.entries(shards)) {
        const found = [...this.#chains].flatMap(([chain, { planned }]) => {
          if (planned.table.spec.name !== table || planned.number !== Number(number)) return [];
          // An earlier one was lost before its writer had the answer, and was written again.
          const entry = this.log
            .chain(chain)
            .withNumber(incarnation, place)
            .findLast(({ stamps, isStray }) => !isStray && [...stamps.values()].includes(it.stamp));
          return entry === undefined ? [] : [{ chain, entry }];
        });
        if (found.length !== 1) throw new Error(`${name} is acknowledged, but it is not in its chain`);
        const [{ chain, entry }] = found;
        this.#acknowledged.push({ ...it, writer, chain, entry });
        if (it.isApplied && this.log.chain(chain).lostAt < it.begun) this.#raise(chain, entry);
      }
    this.#marks.push(it.mark);
    if (this.#marks.length > marksMax) this.#marks.shift();
  }

  #raise(chain: string, { incarnation, number }: Entry): void {
    const floor = this.#floors.get(chain);
    if (floor !== undefined && floor.incarnation === incarnation && floor.number >= number) return;
    this.#floors.set(chain, { incarnation, number, at: this.#run.world.now });
  }

  #lost(by: UpdateWriter, chain: string): void {
    const { world } = this.#run;
    if (this.log.chain(chain).lostAt < 0)
      throw new Error(`${by.processor.name}: nothing of ${chain} is lost`);
    this.#told.push({ by, chain, at: world.now });
  }

  /** Updates that a lookup asks for. */
  mark(): UpdateMark | undefined {
    return this.#marks.length > 0 && this.#dice.chance(0.4) ? this.#dice.pick(this.#marks) : undefined;
  }

  /** @throws if an answer has rows that no batch explains, or older ones than it says or was asked for */
  check({ begun, version, rows, updates }: Ended, by: string, atLeast: UpdateMark | undefined): void {
    if (version === undefined) return;
    const shards = this.#routings.get(version) ?? [];
    const { log } = this;
    const since = this.#isApart(begun - noticedMsMax) ? Number.NEGATIVE_INFINITY : begun - noticedMsMax;
    for (const { table, key, stamp } of rows) {
      const planned = shards.find(
        ({ table: { spec }, shard }) => spec.name === table && key >= shard.begin && key < shard.end,
      ) as NumberedShard;
      const chain = chainName(planned);
      const own = updates?.get(table)?.filter(({ shard }) => shard === planned.number) ?? [];
      const history = log.chain(chain);
      const isKnown = own.some(({ incarnation, number }) =>
        history.allowed(key, incarnation, number, since).has(stamp),
      );
      const said = own.map(({ incarnation, number }) => `${incarnation}:${number}`);
      if (!isKnown) throw new Error(`${by}: row ${key} of ${table} has update ${stamp}, but says ${said}`);
      const floor = this.#floors.get(chain);
      if (floor === undefined || floor.at >= begun || history.lostAt >= floor.at) continue;
      for (const { incarnation, number } of own)
        if (incarnation !== floor.incarnation || number < floor.number)
          throw new Error(`${by}: ${table} is at ${said}, but all replicas had ${floor.number}`);
    }
    for (const [table, marks] of Object.entries(atLeast ?? {}))
      for (const { shard, incarnation, number } of updates?.get(table) ?? []) {
        const wanted = marks[shard];
        if (wanted && (wanted.incarnation !== incarnation || number < wanted.number))
          throw new Error(`${by}: shard ${shard} is at ${number}, but must be at ${wanted.number}`);
      }
  }

  /** Whether somebody did not reach the log since then. */
  #isApart(since: number): boolean {
    const { troubles } = this.#run;
    return ['log away', 'cut log', 'fork', 'pause', 'missing'].some((what) => troubles.during(what, since));
  }

  /** Somebody has continued what was lost. Each node reads its rows again when it finds that, and those of the log are not lost. */
  async #stray(): Promise<void> {
    const { world, troubles } = this.#run;
    const end = troubles.begin('fork');
    for (let ms = 0; ms < strayMs; ms += pollMs) {
      await world.sleep(pollMs);
      // Who does not reach the log finds it later.
      if (this.log.away || this.log.cut.size > 0) ms = 0;
    }
    await this.#whole();
    end();
  }

  /** Waits until every shard is answered, and has batches that the log has. Those who were away notice later what was lost. */
  async #whole(): Promise<void> {
    const { world } = this.#run;
    for (const until = world.now + settledMsMax; world.now < until; await world.sleep(pollMs))
      if (this.#rows.areWhole()) return;
  }

  /** The thread of a node that writes rows ends, sometimes in the middle of a batch. Those rows are read again. */
  async #killThread({ name, current }: ChangingNode): Promise<void> {
    const { world, troubles } = this.#run;
    const shards = current?.updated.shards ?? [];
    const written = shards.length > 0 && this.#dice.chance(0.7) ? this.#dice.pick(shards) : undefined;
    const end = troubles.begin('kill updates', name);
    current?.killUpdates(written);
    if (written !== undefined) await this.#whole();
    end();
    await world.sleep(this.#dice.between(0, killedAgainMsMax));
  }

  async fault(fault: UpdateFault, ms: number): Promise<void> {
    const { world, troubles, nodes } = this.#run;
    const { log } = this;
    if (fault === 'kill updates')
      for (let kills = this.#dice.between(1, 6); kills > 0; kills--)
        await this.#killThread(this.#dice.pick(nodes));
    else if (fault === 'lose' || fault === 'remake') {
      const end = troubles.begin('fork');
      if (fault === 'lose') log.lose(this.#dice.between(1, 5));
      else log.remake();
      // Answers that are on their way may still have what is lost.
      await world.sleep(natsAttemptMs);
      await this.#whole();
      end();
    } else {
      const end = troubles.begin(fault, 'log');
      const thread = this.#dice.pick(nodes).current?.updatesThread;
      if (fault === 'log away') log.away = true;
      else if (thread) log.cut.add(thread);
      await world.sleep(ms);
      if (fault === 'log away') log.away = false;
      else if (thread) log.cut.delete(thread);
      end();
    }
  }

  /** The last fault is over. Every replica has what the log has, and whoever had to say that batches are lost has. */
  async calm(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writing);
    this.log.isCalm = true;
    await this.#settle();
    await this.#checkTold();
    await this.#settle();
  }

  /** Updates go on, also if the log forgets old ones. Nothing is read again because of that. */
  async goOn(): Promise<void> {
    const reloads = this.#told.length;
    for (const share of [0, 0.5]) {
      this.log.forget(share);
      for (const writer of this.#writers)
        for (const table of this.#plan.tables) {
          const error = await writer.write(table, settledMsMax);
          // The chain of an earlier fault has just been found to lack batches.
          if (error !== undefined && error.code !== 'UPDATES_LOST') throw error;
        }
      await this.#settle();
    }
    if (this.#told.some(({ by }, i) => i >= reloads && by === 'node'))
      throw new Error('rows were read again although nothing was lost');
  }

  /** A node that starts when the log has forgotten batches cannot have them, and serves nothing. */
  async startWithoutBatches(): Promise<void> {
    const { world, nodes, troubles } = this.#run;
    const node = this.#dice.pick(nodes);
    const shards = node.current?.updated.shards ?? [];
    const lacks = shards.some(({ chain }) => this.log.forgets(chain));
    if (!lacks) return;
    troubles.begin('restart', node.name);
    void node.restart(100, false);
    await world.sleep(checkedMs);
    this.#rows.compare();
    if ((node.current?.releases.length ?? 0) > 0)
      throw new Error(`${node.name} serves rows without batches that the log has forgotten`);
  }

  async #settle(): Promise<void> {
    const { world } = this.#run;
    // A fork whose numbers are those of the rows is noticed by the next check.
    await world.sleep(checkedMs);
    const began = world.now;
    for (let problem = this.#rows.compare(); problem !== undefined; problem = this.#rows.compare()) {
      if (world.now - began > settledMsMax) throw new Error(`rows are not updated: ${problem}`);
      await world.sleep(pollMs);
    }
  }

  /** What was acknowledged and lost, the writer is told when it writes again, or a node reads its rows again. */
  async #checkTold(): Promise<void> {
    const isTold = ({ writer, chain, entry, begun }: Kept): boolean =>
      this.#told.some(
        (each) =>
          each.chain === chain &&
          each.at >= Math.min(entry.lostAt, begun) &&
          (each.by === writer || each.by === 'node'),
      );
    for (const writer of this.#writers)
      for (const table of this.#plan.tables) await writer.write(table, 20_000, true);
    const { version } = this.#run.truth.cluster.serving.routing.tables[0];
    const untold = this.#acknowledged.find(
      (each) =>
        each.entry.lostAt < Number.POSITIVE_INFINITY &&
        this.#chains.get(each.chain)?.version === version &&
        !isTold(each),
    );
    if (untold !== undefined)
      throw new Error(
        `nobody says that update ${untold.stamp} of ${untold.writer.processor.name} is lost: batch ${untold.entry.number} of ${untold.chain}`,
      );
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.close()));
  }
}
