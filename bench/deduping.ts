// De-duplication: batches of u64 keys, ours against native code.

import { BATCH_KEYS, KEY_SETS } from './batch.ts';
import type { Bench, Contest } from './bench.ts';
import { rowSource } from './data.ts';
import { difference, inTurn, KEY_SET_BYTES } from './keys.ts';
import { repeated, type Side } from './measure.ts';
import { createDedupe, type Dedupe } from './ours.ts';

interface Results {
  readonly unique: number;
  readonly inverse: number;
}

/** @param skew Zipf exponent of the row numbers that are used as keys. Undefined: uniform. */
export function dedupeContest(bench: Bench, rows: number, skew: number | undefined): Contest {
  const { arena, bars, kernels, sampleMs } = bench;
  const keys = arena.allocate(KEY_SETS * KEY_SET_BYTES);
  const source = rowSource(rows, skew, 6);
  for (let i = 0; i < KEY_SETS * BATCH_KEYS; i++) arena.u64[keys / 8 + i] = BigInt(source());
  const newResults = (): Results => ({
    unique: arena.allocate(KEY_SET_BYTES),
    inverse: arena.allocate(BATCH_KEYS * 4),
  });
  const side = (dedupe: Dedupe, { unique, inverse }: Results): Side => {
    const next = inTurn(keys);
    return repeated(() => dedupe(next(), BATCH_KEYS, unique, inverse), BATCH_KEYS, sampleMs);
  };
  const ours = createDedupe(kernels, arena, BATCH_KEYS);
  const a = newResults();
  if (!bars) return { ours: side(ours, a), bar: undefined, remark: 'no native bars' };
  const handle = bars.dedupeCreate(BATCH_KEYS);
  const bar: Dedupe = (from, n, unique, inverse) => bars.dedupe(handle, from, n, unique, inverse);
  const b = newResults();
  return {
    ours: side(ours, a),
    bar: side(bar, b),
    check() {
      const count = ours(keys, BATCH_KEYS, a.unique, a.inverse);
      const barCount = bar(keys, BATCH_KEYS, b.unique, b.inverse);
      if (count !== barCount) return `${count} unique keys here, ${barCount} there`;
      return (
        difference(arena, [a.unique, b.unique], count * 2, 'word of the unique keys') ??
        difference(arena, [a.inverse, b.inverse], BATCH_KEYS, 'inverse')
      );
    },
  };
}
