import { planPerturbationsMax, planStepsMax } from '../limits.ts';
import { Arrangement, type ArrangementProblem, leastReplyBytes } from './arrangement.ts';

/** How many of the greedy arrangements are improved by the search. */
const startsMax = 6;

/**
 * Finds a good arrangement. Improves greedy arrangements by changing one table or exchanging two. Then changes a few
 * tables of the best one at random, to leave the local optimum, and improves it again. The same problem always gives
 * the same arrangement. The result overflows if the search finds no arrangement that fits.
 */
export function localSearch(problem: ArrangementProblem): Arrangement {
  const search = new Search(problem);
  let [best, ...others] = search.starts();
  search.descend(best);
  for (const start of others) {
    search.descend(start);
    if (start.isBetterThan(best)) best = start;
  }
  for (
    let perturbations = 0;
    perturbations < planPerturbationsMax && search.stepsLeft > 0 && !search.isLeast(best);
    perturbations++
  ) {
    const kicked = search.kick(best);
    search.descend(kicked);
    if (!kicked.isBetterThan(best)) continue;
    best = kicked;
    perturbations = 0;
  }
  return best;
}

class Search {
  readonly #problem: ArrangementProblem;
  readonly #tables: number;
  readonly #nodes: number;
  readonly #sets: number;
  /** Number of choices for each table. */
  readonly #choices: number;
  #random = 0x9e3779b9;
  stepsLeft: number = planStepsMax;

  constructor(problem: ArrangementProblem) {
    this.#problem = problem;
    this.#tables = problem.tables.length;
    this.#nodes = problem.capacities.length;
    this.#sets = problem.sets.length;
    this.#choices = this.#sets + Number(problem.cuttable);
  }

  /** Whether no arrangement can be better: every table has its fewest reply bytes, and no node exceeds the target. */
  isLeast({ overflowBytes, cost }: Arrangement): boolean {
    const { tables, cuttable } = this.#problem;
    const least = tables.reduce((sum, table) => sum + leastReplyBytes(table, cuttable), 0);
    return overflowBytes === 0 && cost <= least * (1 + 1e-9);
  }

  /** The best greedy arrangements. Each cuts the first tables of one of several orders, and keeps the others whole. */
  starts(): [Arrangement, ...Arrangement[]] {
    const { tables, cuttable } = this.#problem;
    const byWork = this.#sorted((table) => tables[table].whole.workBytes);
    const byBytes = this.#sorted((table) => tables[table].whole.bytes);
    const byGain = this.#sorted((table) => {
      const { whole, cut } = tables[table];
      return whole.workBytes / Math.max(1e-9, cut.replyBytes - whole.replyBytes);
    });
    const counts = cuttable ? Array.from({ length: 17 }, (_, i) => Math.round((this.#tables * i) / 16)) : [0];
    const starts: Arrangement[] = [];
    for (const cuts of [byGain, byWork, byBytes])
      for (const count of new Set(counts))
        for (const order of [byWork, byBytes]) {
          if (starts.length > 0 && this.stepsLeft < planStepsMax / 2) continue;
          starts.push(this.#greedy(cuts.slice(0, count), order));
        }
    starts.sort((a, b) => a.overflowBytes - b.overflowBytes || a.cost - b.cost);
    const [first, ...rest] = starts.filter((start, i) => i === 0 || start.cost !== starts[i - 1].cost);
    return [first, ...rest.slice(0, startsMax - 1)];
  }

  #sorted(weight: (table: number) => number): Int32Array {
    const weights = Float64Array.from({ length: this.#tables }, (_, table) => weight(table));
    return Int32Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]);
  }

  /** Cuts some tables, and puts each of the others on the replica set with the least work that has enough memory for it. */
  #greedy(cut: Int32Array, order: Int32Array): Arrangement {
    const { tables, capacities, sets } = this.#problem;
    const choices = new Int32Array(this.#tables).fill(-1);
    const work = new Float64Array(this.#nodes);
    const free = Float64Array.from(capacities);
    this.stepsLeft -= 2 * this.#tables * this.#nodes;
    for (const table of cut) {
      choices[table] = this.#sets;
      tables[table].cut.workBytes.forEach((bytes, node) => {
        work[node] += bytes;
      });
      tables[table].cut.bytes.forEach((bytes, node) => {
        free[node] -= bytes;
      });
    }
    for (const table of order) {
      if (choices[table] >= 0) continue;
      const { bytes, workBytes } = tables[table].whole;
      const set = leastLoaded(sets, work, free, bytes);
      choices[table] = set;
      for (const node of sets[set]) {
        work[node] += workBytes;
        free[node] -= bytes;
      }
    }
    return new Arrangement(this.#problem, choices);
  }

  /** Changes one table or exchanges two, as long as that improves the arrangement. */
  descend(arrangement: Arrangement): void {
    while (this.stepsLeft > 0) {
      if (!this.#changeTables(arrangement) && !this.#exchangeTables(arrangement)) return;
      arrangement.settle();
      this.stepsLeft -= this.#tables * this.#nodes;
    }
  }

  #changeTables(arrangement: Arrangement): boolean {
    let better = false;
    for (let table = 0; table < this.#tables && this.stepsLeft > 0; table++) {
      for (let choice = 0; choice < this.#choices; choice++) {
        if (choice === arrangement.choices[table]) continue;
        if (arrangement.tryChange(table, choice)) better = true;
      }
      this.stepsLeft -= this.#choices * this.#nodes;
    }
    return better;
  }

  #exchangeTables(arrangement: Arrangement): boolean {
    const { choices } = arrangement;
    let better = false;
    for (let table = 0; table < this.#tables && this.stepsLeft > 0; table++) {
      if (!arrangement.isHot(table)) continue;
      for (let other = 0; other < this.#tables; other++) {
        if (choices[table] === choices[other]) continue;
        if (arrangement.tryChange(table, choices[other], other, choices[table])) better = true;
      }
      this.stepsLeft -= this.#tables * this.#nodes;
    }
    return better;
  }

  /** A copy of the arrangement in which a few tables have random choices. */
  kick(from: Arrangement): Arrangement {
    const choices = Int32Array.from(from.choices);
    const count = 2 + this.#below(Math.max(1, Math.min(6, this.#tables - 1)));
    for (let i = 0; i < count; i++) choices[this.#below(this.#tables)] = this.#below(this.#choices);
    return new Arrangement(this.#problem, choices);
  }

  /** A random number below `bound`, by xorshift from a fixed seed: the same input must always give the same plan. */
  #below(bound: number): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) % bound;
  }
}

/** The set whose busiest node has the least work, among those with enough free memory. If none has enough, the one with the most. */
function leastLoaded(
  sets: readonly (readonly number[])[],
  work: Float64Array,
  free: Float64Array,
  bytes: number,
): number {
  let [best, bestWork, bestFree] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [set, nodes] of sets.entries()) {
    const [ownWork, ownFree] = [mostOf(nodes, work), leastOf(nodes, free)];
    const [fits, bestFits] = [ownFree >= bytes, bestFree >= bytes];
    if (fits !== bestFits ? !fits : fits ? ownWork >= bestWork : ownFree <= bestFree) continue;
    [best, bestWork, bestFree] = [set, ownWork, ownFree];
  }
  return best;
}

function mostOf(nodes: readonly number[], values: Float64Array): number {
  return nodes.reduce((most, node) => Math.max(most, values[node]), Number.NEGATIVE_INFINITY);
}

function leastOf(nodes: readonly number[], values: Float64Array): number {
  return nodes.reduce((least, node) => Math.min(least, values[node]), Number.POSITIVE_INFINITY);
}
