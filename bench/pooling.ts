// The contestants of the pooling cases, and a check that their results are equal.
import { CALL_KEYS } from '../src/kernel/layout.ts';
import { BATCH_KEYS, type Batch, KEY_SETS } from './batch.ts';
import type { Bench } from './bench.ts';
import { repeated, type Side } from './measure.ts';
import * as ours from './ours.ts';

/** A contestant: its side, and a function that pools given keys once for the check. */
export interface Pooler {
  readonly side: Side;
  run(keys: number): Float32Array;
}

export function ourPooler(bench: Bench, batch: Batch): Pooler {
  const call = batch.createCall();
  return pooler(bench, batch, call, (keys) => ours.pool(bench.kernels, bench.arena.u32, call, keys));
}

/** @param native pools a whole call block */
export function barPooler(bench: Bench, batch: Batch, native: (call: number) => void): Pooler {
  const call = batch.createCall();
  return pooler(bench, batch, call, (keys) => {
    bench.arena.u32[(call + CALL_KEYS) / 4] = keys;
    native(call);
  });
}

function pooler(bench: Bench, batch: Batch, call: number, pool: (keys: number) => void): Pooler {
  const keySets = batch.keySets();
  let turn = 0;
  return {
    side: repeated(() => pool(keySets[turn++ % KEY_SETS]), BATCH_KEYS, bench.sampleMs),
    run(keys) {
      pool(keys);
      return batch.results(call);
    },
  };
}

/**
 * Checks that two poolers give the same bits, because the bars follow the numeric contract.
 * @returns the first difference, if there is one
 */
export function checkAgreement(batch: Batch, a: Pooler, b: Pooler): string | undefined {
  const [keys] = batch.keySets();
  const [x, y] = [a.run(keys), b.run(keys)];
  const at = x.findIndex((value, i) => !Object.is(value, y[i]));
  return at < 0 ? undefined : `value ${at} is ${x[at]} here, ${y[at]} there`;
}
