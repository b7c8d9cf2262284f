import { randomWords } from '../../data.ts';
import { mlperfShape } from '../../serving/workloads.ts';
import { buildTrace, type Trace } from '../trace.ts';
import { zipfRanks } from '../zipf.ts';

export interface MlperfScale {
  readonly rowsMax: number;
  readonly samples: number;
  readonly exponent: number;
}

/** One request a sample: 26 bags, whose keys are independent of each other. Large tables are cut to `rowsMax`. */
export function mlperfTrace(name: string, { rowsMax, samples, exponent }: MlperfScale, seed: number): Trace {
  const { dim, lookups } = mlperfShape;
  const next = randomWords(seed);
  const tables = mlperfShape.rows.map((rows, i) => ({
    name: `table ${i}`,
    rows: Math.min(rows, rowsMax),
    dim,
  }));
  const ranks = tables.map(({ rows }) => zipfRanks(rows, exponent, next));
  return buildTrace(name, tables, (emit) => {
    const bags = lookups.map((length) => new Uint32Array(length));
    for (let sample = 0; sample < samples; sample++) {
      for (const [table, keys] of bags.entries()) {
        for (let i = 0; i < keys.length; i++) keys[i] = ranks[table]();
        emit(table, keys);
      }
    }
  });
}
