// Contestants of the pooling cases, and whether they agree.
import { CALL_KEYS } from '../src/kernel/layout.ts';
import { BATCH_KEYS, type Batch, KEY_SETS } from './batch.ts';
import type { Bench } from './bench.ts';
import { repeated, type Side } from './measure.ts';
import * as ours from './ours.ts';

/** A contestant: its side, and one run over given keys for the check. */
export interface Pooler {
  readonly side: Side;
  run(keys: number): Float32Array;
}

export function ourPooler(bench: Bench, batch: Batch): Pooler {
  const call = batch.createCall();
  return pooler(bench, batch, call, (keys) => ours.pool(bench.kernels, bench.arena.u32, call, keys));
}

/** @param native what pools a call block whole */
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

/** Do two poolers give the same bits? The bars follow the numeric contract, so nothing less will do. */
export function checkAgreement(batch: Batch, a: Pooler, b: Pooler): string | undefined {
  const [keys] = batch.keySets();
  const [x, y] = [a.run(keys), b.run(keys)];
  const at = x.findIndex((value, i) => !Object.is(value, y[i]));
  return at < 0 ? undefined : `value ${at} is ${x[at]} here, ${y[at]} there`;
}
