/** Parts of the window. A value is forgotten at most one part late. */
const parts = 32;

/** The largest of the values of the last while. */
export class WindowMax {
  readonly #partMs: number;
  /** The largest value of each part of the window, and when the part began, as a number of parts. */
  readonly #values = new Float64Array(parts + 1);
  readonly #begins = new Float64Array(parts + 1).fill(-1);

  constructor(windowMs: number) {
    this.#partMs = windowMs / parts;
  }

  /** @param now `performance.now()` */
  add(value: number, now: number): void {
    const begin = Math.floor(now / this.#partMs);
    const at = begin % this.#values.length;
    this.#values[at] = this.#begins[at] === begin ? Math.max(this.#values[at], value) : value;
    this.#begins[at] = begin;
  }

  /** Forgets all values. */
  clear(): void {
    this.#begins.fill(-1);
  }

  /** −Infinity if there were no values. */
  most(now: number): number {
    const first = this.#first(now);
    let most = Number.NEGATIVE_INFINITY;
    for (const [i, begin] of this.#begins.entries())
      if (begin >= first) most = Math.max(most, this.#values[i]);
    return most;
  }

  /** The share of the window that had values. */
  coverage(now: number): number {
    const first = this.#first(now);
    return this.#begins.filter((begin) => begin >= first).length / this.#begins.length;
  }

  #first(now: number): number {
    return Math.max(0, Math.floor(now / this.#partMs) - parts);
  }
}
