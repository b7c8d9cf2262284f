import { planExhaustibleMax } from '../limits.ts';
import { Arrangement, type ArrangementProblem, leastReplyBytes, workTarget } from './arrangement.ts';

/** The best of all arrangements, or undefined if there are too many to try. @param best the best one so far */
export function exhaustiveSearch(best: Arrangement): Arrangement | undefined {
  const { tables, capacities, sets, cuttable } = best.problem;
  const count = (sets.length + Number(cuttable)) ** tables.length;
  return count * capacities.length > planExhaustibleMax ? undefined : new Exhaustive(best).best;
}

/** Tries all arrangements, table by table, and skips those that cannot become better than the best one so far. */
class Exhaustive {
  best: Arrangement;
  readonly #problem: ArrangementProblem;
  readonly #target: number;
  readonly #choices: Int32Array;
  /** For each table: the fewest reply bytes of this table and all tables after it. */
  readonly #least: Float64Array;

  constructor(best: Arrangement) {
    this.best = best;
    this.#problem = best.problem;
    this.#target = workTarget(best.problem);
    const { tables, capacities, cuttable } = best.problem;
    this.#choices = new Int32Array(tables.length);
    this.#least = new Float64Array(tables.length + 1);
    for (let table = tables.length - 1; table >= 0; table--)
      this.#least[table] = this.#least[table + 1] + leastReplyBytes(tables[table], cuttable);
    this.#visit(0, 0, new Float64Array(capacities.length), Float64Array.from(capacities));
  }

  #visit(table: number, replyBytes: number, work: Float64Array, free: Float64Array): void {
    const most = this.#target === 0 ? 1 : Math.max(this.#target, ...work) / this.#target;
    const least = (replyBytes + this.#least[table]) * most;
    if (free.some((bytes) => bytes < 0) || (this.best.overflowBytes === 0 && least >= this.best.cost)) return;
    const { tables, sets, cuttable } = this.#problem;
    if (table === tables.length) {
      const found = new Arrangement(this.#problem, this.#choices);
      if (found.isBetterThan(this.best)) this.best = found;
      return;
    }
    const { whole, cut } = tables[table];
    for (const [set, nodes] of sets.entries()) {
      this.#choices[table] = set;
      this.#visit(
        table + 1,
        replyBytes + whole.replyBytes,
        plus(work, nodes, whole.workBytes),
        plus(free, nodes, -whole.bytes),
      );
    }
    if (!cuttable) return;
    this.#choices[table] = sets.length;
    const cutWork = work.map((bytes, node) => bytes + cut.workBytes[node]);
    const cutFree = free.map((bytes, node) => bytes - cut.bytes[node]);
    this.#visit(table + 1, replyBytes + cut.replyBytes, cutWork, cutFree);
  }
}

function plus(values: Float64Array, at: readonly number[], more: number): Float64Array {
  const sum = values.slice();
  for (const node of at) sum[node] += more;
  return sum;
}
