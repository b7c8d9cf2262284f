// Placements of tables on nodes, as plain numbers, so that a search can compare many thousands of them per second.
import { balanceTarget } from '../limits.ts';

/** The costs of a table: for each node that holds it whole, and for each node if it is cut over all replica sets. */
export interface TableCosts {
  readonly whole: { readonly replyBytes: number; readonly workBytes: number; readonly bytes: number };
  /** Arrays have one entry per node. */
  readonly cut: {
    readonly replyBytes: number;
    readonly workBytes: Float64Array;
    readonly bytes: Float64Array;
  };
}

export interface ArrangementProblem {
  readonly tables: readonly TableCosts[];
  /** Bytes that each node can hold; Infinity if there is no limit. */
  readonly capacities: Float64Array;
  /** The replica sets: the numbers of their nodes. */
  readonly sets: readonly (readonly number[])[];
  /** Whether tables may be cut; otherwise each table is whole on one replica set. */
  readonly cuttable: boolean;
}

/**
 * The fewest reply bytes of a table. A whole table usually has the fewest. A cut table has fewer if many bags are
 * empty, because its shards do not answer empty bags.
 */
export function leastReplyBytes({ whole, cut }: TableCosts, cuttable: boolean): number {
  return cuttable ? Math.min(whole.replyBytes, cut.replyBytes) : whole.replyBytes;
}

/** Mean work of a node, times the imbalance that adds no cost. */
export function workTarget({ tables, capacities, sets }: ArrangementProblem): number {
  const work = tables.reduce((sum, { whole }) => sum + whole.workBytes * sets[0].length, 0);
  return (balanceTarget * work) / capacities.length;
}

/** A choice for every table: the index of a replica set, or the count of sets, which means "cut over all sets". */
export class Arrangement {
  readonly problem: ArrangementProblem;
  readonly choices: Int32Array;
  /** Bytes that exceed the capacities of nodes; 0 if everything fits. */
  overflowBytes = 0;
  /** Reply bytes per request, times the ratio of the busiest node's work to the target if that is more than 1. */
  cost = 0;
  readonly #target: number;
  #work: Float64Array;
  #bytes: Float64Array;
  #replyBytes = 0;
  #cuts = 0;
  /** Work and bytes of an arrangement that is being tried. */
  #triedWork: Float64Array;
  #triedBytes: Float64Array;

  constructor(problem: ArrangementProblem, choices: ArrayLike<number>) {
    const nodes = problem.capacities.length;
    this.problem = problem;
    this.choices = Int32Array.from(choices);
    this.#target = workTarget(problem);
    [this.#work, this.#bytes] = [new Float64Array(nodes), new Float64Array(nodes)];
    [this.#triedWork, this.#triedBytes] = [new Float64Array(nodes), new Float64Array(nodes)];
    this.settle();
  }

  /** Computes all sums again, because trials add and subtract values, which leaves rounding errors. */
  settle(): void {
    this.#work.fill(0);
    this.#bytes.fill(0);
    this.#replyBytes = 0;
    this.#cuts = 0;
    for (let table = 0; table < this.choices.length; table++) {
      const choice = this.choices[table];
      this.#replyBytes += this.#add(this.#work, this.#bytes, table, choice, 1);
      this.#cuts += this.#isCut(choice);
    }
    const { overflowBytes, cost } = this.#weigh(this.#work, this.#bytes, this.#replyBytes, this.#cuts);
    [this.overflowBytes, this.cost] = [overflowBytes, cost];
  }

  /** Whether another choice for a table could make the arrangement better. */
  isHot(table: number): boolean {
    const choice = this.choices[table];
    if (this.#isCut(choice)) return true;
    const { capacities, sets } = this.problem;
    return sets[choice].some(
      (node) => this.#bytes[node] > capacities[node] || this.#work[node] > this.#target * 0.99,
    );
  }

  /** Changes the choice of one table, or of two, if that is better. @returns whether it was */
  tryChange(table: number, choice: number, other = -1, otherChoice = -1): boolean {
    const [work, bytes] = [this.#triedWork, this.#triedBytes];
    work.set(this.#work);
    bytes.set(this.#bytes);
    let replyBytes = this.#replyBytes + this.#move(work, bytes, table, choice);
    let cuts = this.#cuts + this.#isCut(choice) - this.#isCut(this.choices[table]);
    if (other >= 0) {
      replyBytes += this.#move(work, bytes, other, otherChoice);
      cuts += this.#isCut(otherChoice) - this.#isCut(this.choices[other]);
    }
    const { overflowBytes, cost } = this.#weigh(work, bytes, replyBytes, cuts);
    if (!isBetter(overflowBytes, cost, this)) return false;
    this.choices[table] = choice;
    if (other >= 0) this.choices[other] = otherChoice;
    [this.#work, this.#triedWork] = [work, this.#work];
    [this.#bytes, this.#triedBytes] = [bytes, this.#bytes];
    [this.#replyBytes, this.#cuts, this.overflowBytes, this.cost] = [replyBytes, cuts, overflowBytes, cost];
    return true;
  }

  isBetterThan(other: Arrangement): boolean {
    return isBetter(this.overflowBytes, this.cost, other);
  }

  #isCut(choice: number): number {
    return Number(choice === this.problem.sets.length);
  }

  #move(work: Float64Array, bytes: Float64Array, table: number, choice: number): number {
    return this.#add(work, bytes, table, this.choices[table], -1) + this.#add(work, bytes, table, choice, 1);
  }

  /** Adds a table to its nodes, or removes it if `sign` is −1. @returns the change of reply bytes */
  #add(work: Float64Array, bytes: Float64Array, table: number, choice: number, sign: 1 | -1): number {
    const { tables, sets } = this.problem;
    const { whole, cut } = tables[table];
    if (choice < sets.length) {
      for (const node of sets[choice]) {
        work[node] += sign * whole.workBytes;
        bytes[node] += sign * whole.bytes;
      }
      return sign * whole.replyBytes;
    }
    for (let node = 0; node < work.length; node++) {
      work[node] += sign * cut.workBytes[node];
      bytes[node] += sign * cut.bytes[node];
    }
    return sign * cut.replyBytes;
  }

  #weigh(
    work: Float64Array,
    bytes: Float64Array,
    replyBytes: number,
    cuts: number,
  ): { overflowBytes: number; cost: number } {
    const { capacities } = this.problem;
    const target = this.#target;
    let [most, over, excess] = [0, 0, 0];
    for (let node = 0; node < work.length; node++) {
      most = Math.max(most, work[node]);
      over += Math.max(0, bytes[node] - capacities[node]);
      excess += Math.max(0, work[node] - target) ** 2;
    }
    if (target === 0) return { overflowBytes: over, cost: replyBytes };
    // If costs are equal, the arrangement whose other nodes are nearer to the target is better, then the one with fewer
    // cuts. Without this, a search would not see its progress while two nodes are equally busy.
    const hint = 1 + (1e-6 * excess) / (target * work.length) ** 2 + (1e-9 * cuts) / this.choices.length;
    return { overflowBytes: over, cost: replyBytes * Math.max(1, most / target) * hint };
  }
}

/** Fewer overflow bytes are better than a lower cost. Differences within rounding errors do not count. */
function isBetter(overflowBytes: number, cost: number, than: Arrangement): boolean {
  if (overflowBytes !== than.overflowBytes) return overflowBytes < than.overflowBytes;
  return cost < than.cost * (1 - 1e-12);
}
