/** Rounds of coordinate descent. Few unknowns converge long before. */
const rounds = 2_000;

/**
 * The numbers, 0 or more, by which the products of each row come nearest to what was measured. A measurement counts by its relative
 * error, so that a small one counts as much as a large one.
 */
export function leastSquares(rows: readonly (readonly number[])[], measured: readonly number[]): number[] {
  const scaled = rows.map((row, i) => row.map((factor) => factor / measured[i]));
  const found = scaled[0].map(() => 0);
  for (let round = 0; round < rounds; round++)
    for (let unknown = 0; unknown < found.length; unknown++) {
      let [sum, square] = [0, 0];
      for (const row of scaled) {
        const others = row.reduce((total, factor, i) => total + (i === unknown ? 0 : factor * found[i]), 0);
        sum += row[unknown] * (1 - others);
        square += row[unknown] ** 2;
      }
      found[unknown] = square > 0 ? Math.max(0, sum / square) : 0;
    }
  return found;
}
