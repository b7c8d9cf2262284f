/** What became of the lookups of a simulation. */
export class Lookups {
  /** Milliseconds of those that were answered, in whole or in part. */
  readonly #ms: number[] = [];
  #partial = 0;
  #failed = 0;

  answered(ms: number, isPartial: boolean): void {
    this.#ms.push(ms);
    if (isPartial) this.#partial++;
  }

  failed(): void {
    this.#failed++;
  }

  add(other: Lookups): void {
    for (const ms of other.#ms) this.#ms.push(ms);
    this.#partial += other.#partial;
    this.#failed += other.#failed;
  }

  report(seconds: number): LookupsReport {
    const sorted = Float64Array.from(this.#ms).sort();
    const percentile = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      answered: sorted.length,
      partial: this.#partial,
      failed: this.#failed,
      perSecond: sorted.length / seconds,
      p50Ms: percentile(0.5),
      p99Ms: percentile(0.99),
      p999Ms: percentile(0.999),
    };
  }
}

export interface LookupsReport {
  /** In whole or in part. */
  readonly answered: number;
  readonly partial: number;
  readonly failed: number;
  /** Answered lookups per second. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}
