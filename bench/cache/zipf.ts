/**
 * A source of ranks 0 … ranks − 1 with Zipf's law: rank r comes in proportion to (r + 1) ** −exponent. Uses the alias
 * method of Walker and Vose, because a search in the cumulated weights would take most of the time of a trace.
 */
export function zipfRanks(ranks: number, exponent: number, next: () => number): () => number {
  const { thresholds, aliases } = aliasTable(
    Float64Array.from({ length: ranks }, (_, r) => (r + 1) ** -exponent),
  );
  return () => {
    const column = below(ranks, next);
    return next() < thresholds[column] ? column : aliases[column];
  };
}

/** A whole number in [0, limit), of a source of u32 values. */
export function below(limit: number, next: () => number): number {
  return Math.floor((next() / 2 ** 32) * limit);
}

/** Each column has the same probability. It gives its own rank below the threshold, and its alias from there on. */
function aliasTable(weights: Float64Array): { thresholds: Float64Array; aliases: Uint32Array } {
  const n = weights.length;
  const mean = weights.reduce((total, weight) => total + weight, 0) / n;
  const share = weights.map((weight) => weight / mean);
  const thresholds = new Float64Array(n).fill(2 ** 32);
  const aliases = Uint32Array.from(share, (_, i) => i);
  const large: number[] = [];
  const small: number[] = [];
  for (let i = 0; i < n; i++) (share[i] < 1 ? small : large).push(i);
  while (small.length > 0 && large.length > 0) {
    const low = small.pop() as number;
    const high = large[large.length - 1];
    thresholds[low] = share[low] * 2 ** 32;
    aliases[low] = high;
    share[high] -= 1 - share[low];
    if (share[high] < 1) small.push(large.pop() as number);
  }
  return { thresholds, aliases };
}
