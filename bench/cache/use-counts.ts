/** Rows that are used `from` … `to` times: their share of the rows, and of all accesses. */
export interface CountClass {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly accesses: number;
}

/** More quantiles do not change the mean of a class by much. */
const quantilesMax = 2_000;

/**
 * How often each of `rows` rows is used, so that every class has its share of the rows and of the accesses. Within a
 * class, counts follow a power law. Its exponent is what gives the class its mean.
 *
 * @param mean uses of a row
 */
export function useCounts(rows: number, mean: number, classes: readonly CountClass[]): Uint32Array {
  const counts = classes.map((one) => {
    const n = Math.round(rows * one.rows);
    const exponent = exponentFor(one, Math.min(n, quantilesMax), (one.accesses * mean) / one.rows);
    return Uint32Array.from({ length: n }, (_, i) => quantile(one, exponent, (i + 0.5) / n));
  });
  const all = new Uint32Array(counts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of counts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The inverse of the cumulated density x ** −exponent over [from, to + 1). */
function quantile({ from, to }: CountClass, exponent: number, share: number): number {
  const power = 1 - exponent;
  const [low, high] = [from ** power, (to + 1) ** power];
  return Math.min(to, Math.floor((low + share * (high - low)) ** (1 / power)));
}

/** The mean falls with the exponent. */
function exponentFor(one: CountClass, n: number, mean: number): number {
  let [low, high] = [-3.001, 8.001];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    let total = 0;
    for (let i = 0; i < n; i++) total += quantile(one, middle, (i + 0.5) / n);
    if (total > mean * n) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
