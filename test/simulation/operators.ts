// People who change a simulated cluster, with commands that may be killed or have rivals.
import type { RollOutStep } from '../../src/host/roll-out.ts';
import type { Release } from '../../src/plan/cluster.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { nextPlan, nextVersion } from '../../src/plan/next-release.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { ChangesRun } from './changes.ts';
import { type Change, command, type Outcome } from './command.ts';
import { pathOf, versioned } from './versioned-shards.ts';

/** After the last fault, a change ends by then: a lease of the dead ends, and what could not be loaded is tried again. */
export const changeMsMax = 90_000;
/** How long a command waits, and how often it is started. */
const waitMs = 40_000;
const attemptsMax = 4;

export class Operators {
  readonly #run: ChangesRun;
  readonly #dice: Dice;
  /** What was asked for, by the plans that came of it. */
  readonly #asked = new Map<string, Change>();
  #version = 1;
  #rowsAdded = 0;

  constructor(run: ChangesRun) {
    this.#run = run;
    this.#dice = run.world.dice.fork();
  }

  /** Operators change the cluster, with commands that may be killed, or have rivals. */
  async change(): Promise<void> {
    const { world, plan } = this.#run;
    const dice = world.dice.fork();
    for (const kind of plan.changes) {
      await world.sleep(dice.between(0, 2_000));
      const change = kind === 'swap' ? this.#swap() : this.#rebalance(dice);
      let own: Change = change;
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const isKilled = dice.chance(plan.killShare);
        const rival = dice.chance(plan.rivalShare) ? this.#rival(dice, change) : undefined;
        const [outcome] = await Promise.all([
          this.#command(own, {
            killAfterMs: isKilled && dice.chance(0.5) ? dice.between(0, 3_000) : undefined,
            killAfter: isKilled ? dice.pick<RollOutStep>(['begin', 'flip', 'end', 'abort']) : undefined,
          }),
          rival,
        ]);
        if (outcome === 'done') break;
        own = dice.chance(0.3) ? undefined : change;
        await world.sleep(dice.between(0, 1_000));
      }
    }
  }

  async #rival(dice: Dice, change: Change): Promise<void> {
    await this.#run.world.sleep(dice.between(0, 1_500));
    await this.#command(dice.pick([change, undefined, this.#swap()]), {
      killAfterMs: dice.chance(0.5) ? dice.between(0, 3_000) : undefined,
    });
  }

  /** @throws if a command says that it has ended, and no such change has */
  async #command(
    change: Change,
    kill: { readonly killAfterMs?: number | undefined; readonly killAfter?: RollOutStep | undefined } = {},
  ): Promise<Outcome> {
    const { world, network, truth } = this.#run;
    const began = world.now;
    const plans = new Set<string>();
    const noted = change && {
      name: change.name,
      next: (serving: Release): Release => {
        const next = change.next(serving);
        const plan = planName(next.routing);
        plans.add(plan);
        this.#asked.set(plan, change);
        return next;
      },
    };
    // In some seeds, only leases say whether rankers have followed, so that nodes free what was just used. There, all leases can be read.
    const { headroom, faults, truth: answers } = this.#run.plan;
    const isRead = answers.lateShare + answers.lostShare === 0 && !faults.includes('leases');
    const quietMs = headroom > 0 || !isRead ? undefined : 0;
    const outcome = await command(noted, { world, network, truth, waitMs, quietMs, ...kill });
    const isSettled = truth.settled.some(
      ({ plan, until }) => until >= began && (change === undefined || plans.has(plan)),
    );
    if (outcome === 'done' && !isSettled)
      throw new Error(`command ${change?.name ?? 'abort'} says that it has ended, but nothing has`);
    return outcome;
  }

  /** A version that there was not before. */
  #swap(): Change {
    const version = ++this.#version;
    if (this.#run.plan.grows && this.#dice.chance(0.5)) this.#rowsAdded += 7;
    const tables = versioned(
      version,
      this.#run.plan.rows.map((rows) => rows + this.#rowsAdded),
      this.#run.plan.updates?.tables,
    );
    const next = (serving: Release): Release => nextVersion(serving, tables, version, pathOf(version));
    return { name: `swap ${version}`, next };
  }

  #rebalance(dice: Dice): Change {
    const { replicas, split } = this.#run.plan;
    const least = dice.between(replicas, this.#run.nodes.length);
    const first = dice.between(0, this.#run.nodes.length - least);
    const nodes = this.#run.nodes.slice(first, first + least).map(({ planned }) => planned);
    const other = dice.pick([split, 'row', 'table'] as const);
    return {
      name: `rebalance ${nodes.map(({ id }) => id)} by ${other}`,
      next: (serving) => nextPlan(serving, { nodes, split: other, replicas }),
    };
  }

  /** What was interrupted goes on or is aborted, and then there is another change. @throws if that takes long */
  async finish(): Promise<void> {
    const { world, truth } = this.#run;
    const began = world.now;
    const { serving, next: coming, previous, aborted } = truth.cluster;
    const open = coming ?? (aborted ? undefined : previous && serving);
    // What was interrupted goes on, if its command is started again.
    const interrupted = open && this.#asked.get(planName(open.routing));
    const last = this.#swap();
    let next = interrupted ?? ((coming ?? previous) ? undefined : last);
    for (;;) {
      const outcome = await this.#command(next);
      if (world.now - began > changeMsMax)
        throw new Error(`changes take ${Math.round(world.now - began)} ms: ${outcome}`);
      if (outcome === 'done' && next === last) break;
      if (outcome === 'killed') throw new Error('a command ends');
      // If its node is not there, it is started again.
      if (outcome === 'done' || outcome.code !== 'UNAVAILABLE') next = last;
      await world.sleep(100);
    }
  }
}
