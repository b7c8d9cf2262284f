// Checks that all contenders give the same vectors before they are timed.
import type { Contender } from './contender.ts';
import type { RequestBatch } from './requests.ts';

/** Sums in another order may differ by this factor of the larger of the value and 1. */
const toleranceOfOne = 1e-4;

/** @throws Error if two contenders give different vectors for the same batch */
export async function checkAgreement(contenders: readonly Contender[], batch: RequestBatch): Promise<void> {
  const [first, ...others] = contenders;
  const expected = await first.lookup(batch);
  checkShape(first, batch, expected);
  for (const other of others) {
    const got = await other.lookup(batch);
    checkShape(other, batch, got);
    expected.forEach((values, i) => {
      const at = values.findIndex((value, j) => !close(value, got[i][j]));
      if (at < 0) return;
      const where = `value ${at} of ${batch.features[i].table.name} is ${values[at]} by ${first.name}`;
      throw new Error(`contenders disagree: ${where}, ${got[i][at]} by ${other.name}`);
    });
  }
}

function checkShape({ name }: Contender, batch: RequestBatch, got: readonly Float32Array[]): void {
  const right = batch.features.every(({ table }, i) => got[i]?.length === batch.samples * table.dim);
  if (!right || got.length !== batch.features.length)
    throw new Error(`${name} gives ${got.length} features, or vectors of wrong sizes`);
  if (got.every((values) => values.every((value) => value === 0)))
    throw new Error(`${name} gives only zeros`);
}

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= toleranceOfOne * Math.max(1, Math.abs(a), Math.abs(b));
}
