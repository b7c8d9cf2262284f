// Measures the time of a row in each runtime, relative to Node.js: the runtimes alternate with the same spins. Medians.
import { median } from '../../bench/measure.ts';
import { F32, INT8 } from '../../src/kernel/layout.ts';
import { inputBytes } from './hosts/conformance.ts';
import { SPIN_BAG_KEYS, SPIN_BAGS } from './image.ts';
import type { Runtime } from './runtime.ts';

const rounds = 5;
/** The spins of a run. If a runtime has no clock, the time of this run is subtracted from that of a longer run. */
const spins = 900;
const manySpins = 3_900;
const rowsOfSpin = SPIN_BAGS * SPIN_BAG_KEYS;
const dtypes = { f32: F32, int8: INT8 } as const;

export interface Throughput {
  readonly name: string;
  /** ns per row, by dtype. */
  readonly ns: Readonly<Record<keyof typeof dtypes, number>>;
}

export async function measure(runtimes: readonly Runtime[]): Promise<Throughput[]> {
  const seen = runtimes.map(({ name }) => ({ name, f32: [] as number[], int8: [] as number[] }));
  for (let round = 0; round < rounds; round++)
    for (const [i, runtime] of runtimes.entries())
      for (const dtype of ['f32', 'int8'] as const)
        seen[i][dtype].push(await nsOfRow(runtime, dtypes[dtype]));
  return seen.map(({ name, f32, int8 }) => ({ name, ns: { f32: median(f32), int8: median(int8) } }));
}

async function nsOfRow(runtime: Runtime, dtype: number): Promise<number> {
  const timed = async (
    times: number,
  ): Promise<{ readonly wall: number; readonly own: number | undefined }> => {
    const input = inputBytes({ taped: 0, drawn: 0, spins: times, dtype, tape: new Uint8Array() });
    const began = performance.now();
    const { seconds } = await runtime.run(input);
    return { wall: (performance.now() - began) / 1000, own: seconds };
  };
  const one = await timed(spins);
  if (one.own !== undefined) return (one.own / spins / rowsOfSpin) * 1e9;
  const longer = await timed(manySpins);
  // A run warms up with a tenth more spins.
  return ((longer.wall - one.wall) / ((manySpins - spins) * 1.1) / rowsOfSpin) * 1e9;
}

/** A Markdown table, relative to the first runtime. */
export function table(throughputs: readonly Throughput[]): string {
  const [{ ns: bar }] = throughputs;
  const lines = throughputs.map(({ name, ns }) => {
    const cells = (['f32', 'int8'] as const).map(
      (dtype) => `${ns[dtype].toFixed(1).padStart(5)} ns, ${(bar[dtype] / ns[dtype]).toFixed(2)} ×`,
    );
    return `| ${name.padEnd(17)} | ${cells.join(' | ')} |`;
  });
  return [
    '| runtime           | a row of 64 f32 | of 64 int8      |',
    '| :---------------- | --------------: | --------------: |',
    ...lines,
  ].join('\n');
}
