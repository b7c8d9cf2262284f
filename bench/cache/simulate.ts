import { bothEntries, type Entries, rowEntries, segmentEntries } from './entries.ts';
import type { NamedPolicy } from './policies/all.ts';
import type { Policy } from './policies/policy.ts';
import { type Outcome, Tally } from './tally.ts';
import { rowsBytes, type Trace } from './trace.ts';

/** The first part of a trace fills the cache. Only the rest is counted. */
export const warmShare: number = 1 / 3;

/** Takes the reply bytes of a row that the cache fetched for itself. */
type Filled = (bytes: number) => void;

/** A trace with what all its simulations share. */
export class Simulation {
  readonly trace: Trace;
  readonly #segments: Entries;
  readonly #rows: Entries;
  /** For each row, the number of its segment with one key plus one. 0: there is none. */
  readonly #alone: Uint32Array;

  constructor(trace: Trace) {
    this.trace = trace;
    this.#segments = segmentEntries(trace);
    this.#rows = rowEntries(trace);
    this.#alone = new Uint32Array(this.#rows.count);
    const { offsets, rows } = trace;
    for (let id = 0; id < this.#segments.count; id++)
      if (offsets[id + 1] - offsets[id] === 1) this.#alone[rows[offsets[id]]] = id + 1;
  }

  /** @param share capacity, of the bytes of all rows */
  run(policy: NamedPolicy, share: number): Outcome {
    const capacity = Math.floor(rowsBytes(this.trace) * share);
    if (policy.rowsTo === 0) {
      const made = policy.make(this.#segments, capacity, this.trace.accesses);
      const isRowIn = this.#isAloneIn(made);
      return this.#count(made, (id) => this.#whole(made, id, 0, isRowIn));
    }
    // No policy with rows knows what comes.
    const none = new Uint32Array(0);
    if (policy.rowsTo === Infinity) {
      const made = policy.make(this.#rows, capacity, none);
      return this.#count(made, (id, filled) => this.#byRows(made, id, filled));
    }
    const { offsets } = this.trace;
    const made = policy.make(bothEntries(this.#rows, this.#segments), capacity, none);
    const isRowIn = (row: number): boolean => made.has(row);
    return this.#count(made, (id, filled) => {
      if (offsets[id + 1] - offsets[id] <= policy.rowsTo) return this.#byRows(made, id, filled);
      return this.#whole(made, id, this.#rows.count, isRowIn);
    });
  }

  /** Whether a row is there as a segment with one key. */
  #isAloneIn(policy: Policy): (row: number) => boolean {
    return (row) => this.#alone[row] > 0 && policy.has(this.#alone[row] - 1);
  }

  /** The segment is an entry. Its number is that of the segment plus `first`. */
  #whole(policy: Policy, id: number, first: number, isRowIn: (row: number) => boolean): number {
    const { offsets, rows } = this.trace;
    const [from, to] = [offsets[id], offsets[id + 1]];
    if (policy.access(first + id)) return to - from;
    let held = 0;
    if (to - from > 1) for (let i = from; i < to; i++) if (isRowIn(rows[i])) held++;
    return -1 - held;
  }

  /** The segment is hit if all its rows are there. Rows of longer segments come to the cache by themselves, at once. */
  #byRows(policy: Policy, id: number, filled: Filled): number {
    const { offsets, rows } = this.trace;
    const [from, to] = [offsets[id], offsets[id + 1]];
    let held = 0;
    for (let i = from; i < to; i++) if (policy.has(rows[i])) held++;
    for (let i = from; i < to; i++) {
      const here = policy.access(rows[i]);
      if (!here && to - from > 1 && policy.has(rows[i])) filled(this.#rows.saved[rows[i]]);
    }
    return held === to - from ? held : -1 - held;
  }

  /** @param access gives the keys of a segment that is hit; else −1 minus the number of its rows that are there */
  #count(policy: Policy, access: (id: number, filled: Filled) => number): Outcome {
    const { accesses, offsets, tableOf, tables } = this.trace;
    const warm = Math.floor(accesses.length * warmShare);
    const ofUser = tables.map(({ side }) => side === 'user');
    for (let i = 0; i < warm; i++) access(accesses[i], () => {});
    const tally = new Tally();
    const written = policy.written;
    const filled: Filled = (bytes) => {
      tally.fillBytes += bytes;
    };
    for (let i = warm; i < accesses.length; i++) {
      const id = accesses[i];
      const found = access(id, filled);
      tally.add(offsets[id + 1] - offsets[id], this.#segments.saved[id], ofUser[tableOf[id]], found);
    }
    return tally.outcome(policy.written - written);
  }
}
