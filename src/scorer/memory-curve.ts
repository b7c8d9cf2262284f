/** Bytes of a process without a cache, in which the largest batch had so many candidates. */
export interface MemoryPoint {
  readonly candidates: number;
  readonly bytes: number;
}

/**
 * How much memory batches take: straight between measured points, level before the first one, and beyond the last one as steep as
 * before it. It is no straight line, because small batches leave more garbage for each candidate.
 */
export class MemoryCurve {
  /** In the order of candidates; bytes do not decrease. */
  readonly #points: readonly MemoryPoint[];

  /** @param points two at least, with more candidates each */
  constructor(points: readonly MemoryPoint[]) {
    let most = 0;
    this.#points = points.map(({ candidates, bytes }) => {
      most = Math.max(most, bytes);
      return { candidates, bytes: most };
    });
  }

  bytes(candidates: number): number {
    const at = this.#points.findIndex((point) => point.candidates >= candidates);
    if (at === 0) return this.#points[0].bytes;
    const [from, to] = this.#segment(at);
    return from.bytes + (candidates - from.candidates) * slope(from, to);
  }

  /** Most candidates for which so many bytes are enough; 0 if they are not enough for one. */
  within(bytes: number): number {
    if (bytes < this.#points[0].bytes) return 0;
    const at = this.#points.findIndex((point) => point.bytes > bytes);
    const [from, to] = this.#segment(at);
    const each = slope(from, to);
    const more = each === 0 ? Number.MAX_SAFE_INTEGER : (bytes - from.bytes) / each;
    return Math.floor(from.candidates + more);
  }

  /** The segment that ends at a point; −1: the last one. */
  #segment(end: number): readonly [MemoryPoint, MemoryPoint] {
    const at = end < 0 ? this.#points.length - 1 : end;
    return [this.#points[at - 1], this.#points[at]];
  }
}

function slope(from: MemoryPoint, to: MemoryPoint): number {
  return (to.bytes - from.bytes) / (to.candidates - from.candidates);
}
