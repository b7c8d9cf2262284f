// Tables on nodes as numbers alone, so that a search can weigh many thousand arrangements a second.
import { balanceTarget } from '../limits.ts';

/** What a table brings to the one node that holds it whole, and to each node when it is cut over all. */
export interface TableCosts {
  readonly whole: { readonly replyBytes: number; readonly workBytes: number; readonly bytes: number };
  /** Arrays have one entry a node. */
  readonly cut: {
    readonly replyBytes: number;
    readonly workBytes: Float64Array;
    readonly bytes: Float64Array;
  };
}

export interface ArrangementProblem {
  readonly tables: readonly TableCosts[];
  /** Bytes of each node; Infinity where there is no bound. */
  readonly capacities: Float64Array;
  /** Whether tables may be cut; otherwise each is whole on a node. */
  readonly cuttable: boolean;
}

/** The fewest reply bytes of a table: whole, or where many bags are empty, which cut tables leave out, cut. */
export function leastReplyBytes({ whole, cut }: TableCosts, cuttable: boolean): number {
  return cuttable ? Math.min(whole.replyBytes, cut.replyBytes) : whole.replyBytes;
}

/** Mean work of a node times the balance that costs nothing. */
export function workTarget({ tables, capacities }: ArrangementProblem): number {
  return (balanceTarget * tables.reduce((sum, { whole }) => sum + whole.workBytes, 0)) / capacities.length;
}

/** A choice for every table: the number of a node, or the number of nodes for "cut over all". */
export class Arrangement {
  readonly problem: ArrangementProblem;
  readonly choices: Int32Array;
  /** Bytes beyond the capacities of nodes: must be 0. */
  overflowBytes = 0;
  /** Reply bytes a request, times how far the busiest node is past the target. */
  cost = 0;
  readonly #target: number;
  #work: Float64Array;
  #bytes: Float64Array;
  #replyBytes = 0;
  #cuts = 0;
  /** The same of an arrangement that is being tried. */
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

  /** Adds everything up again: what trials add and take away leaves rounding errors. */
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

  /** Whether a table's choice may be what keeps the arrangement from being better. */
  isHot(table: number): boolean {
    const choice = this.choices[table];
    if (this.#isCut(choice) || this.#bytes[choice] > this.problem.capacities[choice]) return true;
    return this.#work[choice] > this.#target * 0.99;
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
    return Number(choice === this.problem.capacities.length);
  }

  #move(work: Float64Array, bytes: Float64Array, table: number, choice: number): number {
    return this.#add(work, bytes, table, this.choices[table], -1) + this.#add(work, bytes, table, choice, 1);
  }

  /** Adds a table to nodes, or takes it away with sign −1. @returns the change of reply bytes */
  #add(work: Float64Array, bytes: Float64Array, table: number, choice: number, sign: 1 | -1): number {
    const { whole, cut } = this.problem.tables[table];
    if (choice < work.length) {
      work[choice] += sign * whole.workBytes;
      bytes[choice] += sign * whole.bytes;
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
    // Of equals the one is better whose other nodes are nearer to the target, then the one with fewer cuts:
    // without this a search would not see that it makes way while two nodes are equally busy.
    const hint = 1 + (1e-6 * excess) / (target * work.length) ** 2 + (1e-9 * cuts) / this.choices.length;
    return { overflowBytes: over, cost: replyBytes * Math.max(1, most / target) * hint };
  }
}

/** Fitting goes before cost; rounding errors are no difference. */
function isBetter(overflowBytes: number, cost: number, than: Arrangement): boolean {
  if (overflowBytes !== than.overflowBytes) return overflowBytes < than.overflowBytes;
  return cost < than.cost * (1 - 1e-12);
}
