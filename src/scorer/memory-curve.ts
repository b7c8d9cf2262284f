/** Bytes of a process without a cache, in which the largest batch had so many candidates. */
export interface MemoryPoint {
  readonly candidates: number;
  readonly bytes: number;
}

/**
 * How much memory batches take: straight between measured points, level before the first one, and beyond the last one as steep as
 * its second half. It is no straight line, because small batches leave more garbage for each candidate.
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
    const [from, each] = this.#segment(at);
    return from.bytes + (candidates - from.candidates) * each;
  }

  /** Most candidates for which so many bytes are enough; 0 if they are not enough for one. */
  within(bytes: number): number {
    if (bytes < this.#points[0].bytes) return 0;
    const at = this.#points.findIndex((point) => point.bytes > bytes);
    const [from, each] = this.#segment(at);
    const more = each === 0 ? Number.MAX_SAFE_INTEGER : (bytes - from.bytes) / each;
    return Math.floor(from.candidates + more);
  }

  /** Where the segment begins that ends at a point, and its bytes per candidate. @param end −1: beyond the last point */
  #segment(end: number): readonly [MemoryPoint, number] {
    const points = this.#points;
    if (end >= 0) return [points[end - 1], slope(points[end - 1], points[end])];
    const last = points[points.length - 1];
    const from = points.findLast(({ candidates }) => 2 * candidates <= last.candidates) ?? points[0];
    return [last, slope(from, last)];
  }
}

function slope(from: MemoryPoint, to: MemoryPoint): number {
  return (to.bytes - from.bytes) / (to.candidates - from.candidates);
}
