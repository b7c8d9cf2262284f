// All contests: the shape, the opponent, and the ratio that we aim for.
import { type DType, rowBytes } from '../src/kernel/dtype.ts';
import { type Bars, T0_DISTANCE } from './bars.ts';
import { Batch, type Shape } from './batch.ts';
import type { Bench, Case, Contest } from './bench.ts';
import { fillQuantised } from './data.ts';
import { dedupeContest } from './deduping.ts';
import { type IndexBar, indexContest } from './indexing.ts';
import { barPooler, checkAgreement, ourPooler } from './pooling.ts';
import { startTorch } from './torch.ts';
import { twoWorkersContest } from './two-workers.ts';

const MIB = 1 << 20;
/** Much larger than any cache, so that rows come from DRAM. */
export const FLOATS_BYTES: number = 256 * MIB;
/** MLPerf uses 128. Most models in production have 64 or less. */
const DIM = 64;
const ZIPF = 1.05;

/** Rows, as T0_DISTANCE. */
const T1_DISTANCE = 32;

type Opponent = 'T0' | 'T1' | 'no prefetch' | 'gcc';
type Goal = Pick<Case, 'aim' | 'floor' | 'note'>;

const NATIVE: Record<Opponent, (bars: Bars, call: number) => void> = {
  T0: (bars, call) => bars.poolT0(call, T0_DISTANCE),
  T1: (bars, call) => bars.poolT1(call, T1_DISTANCE),
  'no prefetch': (bars, call) => bars.poolUnprefetched(call, 0),
  gcc: (bars, call) => bars.poolPlain(call),
};

/** Rows of the f32 table with `dim` columns. Quantised tables have as many, so that used rows are as sparse. */
function dramRows(bench: Bench, dim: number): number {
  return FLOATS_BYTES / bench.shrink / rowBytes('f32', dim);
}

/** A batch for the first rows of the shared floats, or for a quantised table of its own. */
function batchOf(bench: Bench, asked: Partial<Shape>): Batch {
  const { arena, floats } = bench;
  const shape = { dtype: 'f32', dim: DIM, mode: 'sum', rows: Number.POSITIVE_INFINITY, ...asked } as const;
  const { dtype, dim } = shape;
  const rows = Math.min(shape.rows, dramRows(bench, dim));
  if (dtype === 'f32') return new Batch(arena, { ...shape, rows }, floats);
  const table = arena.allocate(rows * rowBytes(dtype, dim));
  fillQuantised(arena, table, dtype, dim, rows);
  return new Batch(arena, { ...shape, rows }, table);
}

function pooling(name: string, shape: Partial<Shape>, bar: Opponent, goal: Goal = {}): Case {
  return {
    name,
    bar,
    unit: 'rows',
    ...goal,
    prepare(bench): Contest {
      const batch = batchOf(bench, shape);
      const ours = ourPooler(bench, batch);
      const { bars } = bench;
      if (!bars) return { ours: ours.side, bar: undefined, remark: 'no native bars' };
      const native = barPooler(bench, batch, (call) => NATIVE[bar](bars, call));
      return { ours: ours.side, bar: native.side, check: () => checkAgreement(batch, ours, native) };
    },
  };
}

/** Compares quantised rows with our own f32 rows. The ratio is the gain of quantising. */
function quantisedGain(dtype: DType): Case {
  return {
    name: `sum ${dtype} × ${DIM}, 1M rows`,
    bar: 'our f32',
    unit: 'rows',
    aim: 2.1,
    floor: 1.7,
    prepare(bench): Contest {
      const quantised = batchOf(bench, { dtype });
      const floats = batchOf(bench, {});
      return { ours: ourPooler(bench, quantised).side, bar: ourPooler(bench, floats).side };
    },
  };
}

const torch: Case = {
  name: `sum f32 × ${DIM}, 256 MB`,
  bar: 'PyTorch',
  unit: 'rows',
  note: 'EmbeddingBag, 1 thread, its own table: not checked',
  async prepare(bench): Promise<Contest> {
    const ours = ourPooler(bench, batchOf(bench, {})).side;
    const bar = await startTorch(DIM, dramRows(bench, DIM), bench.sampleMs);
    if (!bar) return { ours, bar: undefined, remark: 'no Python with torch here' };
    return { ours, bar: bar.side, remark: `torch ${bar.version}`, close: bar.close };
  },
};

const twoWorkers: Case = {
  name: `two workers, sum f32 × ${DIM}, 256 MB`,
  bar: 'one worker',
  unit: 'rows',
  aim: 1.95,
  floor: 1.85,
  note: 'needs two idle cores',
  prepare: (bench) => twoWorkersContest(bench, batchOf(bench, {})),
};

function index(millions: number, bar: IndexBar, goal: Goal = {}): Case {
  return {
    name: `index find, ${millions}M keys, 90 % hits`,
    bar,
    unit: 'keys',
    ...goal,
    prepare: (bench) => indexContest(bench, Math.ceil((millions * 1e6) / bench.shrink), bar),
  };
}

function dedupe(name: string, skew: number | undefined): Case {
  return {
    name: `de-duplicate 40,960 keys, ${name}`,
    bar: 'C++',
    unit: 'keys',
    aim: 0.95,
    floor: 0.75,
    prepare: (bench) => dedupeContest(bench, 1e6, skew),
  };
}

const COMMON: Goal = { aim: 0.88, floor: 0.78 };
const QUANTISED: Goal = { aim: 0.85, floor: 0.73 };

export const CASES: readonly Case[] = [
  pooling('sum f32 × 64, 256 MB', {}, 'T0', { aim: 0.9, floor: 0.8 }),
  pooling('sum f32 × 64, 256 MB', {}, 'T1'),
  torch,
  pooling('sum f32 × 128, 256 MB', { dim: 128 }, 'T0', { aim: 1.02, floor: 0.93 }),
  pooling('sum f32 × 128, 256 MB', { dim: 128 }, 'gcc', { aim: 1.7, floor: 1.4 }),
  pooling('sum f32 × 64, 256 MB, zipf 1.05', { skew: ZIPF }, 'T0', { aim: 0.75, floor: 0.65 }),
  pooling('sum f32 × 64, 2k rows (L2)', { rows: 2048 }, 'T0', { aim: 0.62, floor: 0.5 }),
  pooling('weighted sum f32 × 64, 256 MB', { mode: 'weighted sum' }, 'T0', COMMON),
  pooling('max f32 × 64, 256 MB', { mode: 'max' }, 'T0', COMMON),
  pooling('mean f32 × 64, 256 MB', { mode: 'mean' }, 'T0', COMMON),
  ...[16, 32, 256].map((dim) => pooling(`sum f32 × ${dim}, 256 MB`, { dim }, 'T0', COMMON)),
  ...(['int8', 'int4', 'f16'] as const).flatMap((dtype) => [
    pooling(`sum ${dtype} × 64, 1M rows`, { dtype }, 'T0', QUANTISED),
    quantisedGain(dtype),
  ]),
  pooling('sum f32 × 64, 16 MB', { rows: (16 * MIB) / 256 }, 'T0'),
  pooling('sum f32 × 64, 64 rows (L1)', { rows: 64 }, 'no prefetch', {
    note: 'prefetch costs a third in L1',
  }),
  twoWorkers,
  index(1, 'C++', { aim: 1, floor: 0.85 }),
  index(1, 'C++ rolling'),
  index(1, 'Map<bigint>', { aim: 35, floor: 15 }),
  index(10, 'C++', { aim: 1, floor: 0.85 }),
  index(10, 'C++ rolling'),
  index(10, 'Map<bigint>', { aim: 35, floor: 15 }),
  dedupe('uniform of 1M', undefined),
  dedupe('zipf 1.05 of 1M', ZIPF),
];
