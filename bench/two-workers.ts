// Compares two workers that pool in one shared memory with one of them alone, to see whether they slow each other down.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BATCH_KEYS, type Batch } from './batch.ts';
import type { Bench, Contest } from './bench.ts';
import type { Side } from './measure.ts';

/** Words of a worker's control block: its state, and the calls and time of its last run. */
export const STATE = 0;
export const CALLS = 1;
export const MICROSECONDS = 2;
export const IDLE = 0;
export const RUN = 1;
export const STOP = 2;

/** Samples until WebAssembly is optimised, which takes about twenty calls. */
const WARM_SAMPLES = 10;
/** Samples are longer, so that their ends, where one worker may run alone, have little weight. */
const SAMPLE_FACTOR = 3;
/** A worker that takes this long for one batch has died. */
const STUCK_MS = 10_000;

export interface PoolWorkerData {
  readonly memory: WebAssembly.Memory;
  /** Byte addresses. */
  readonly control: number;
  readonly call: number;
  readonly keySets: number[];
}

export async function twoWorkersContest(bench: Bench, batch: Batch): Promise<Contest> {
  const { arena } = bench;
  const controls = [0, 1].map(() => arena.allocate(64));
  for (const control of controls) arena.u8.fill(0, control, control + 64);
  const workers = controls.map((control, i) => {
    const keySets = batch.keySets();
    const half = keySets.length / 2;
    // The second worker starts at other keys, so that it does not find rows in the cache that the first has just read.
    const own = i === 0 ? keySets : [...keySets.slice(half), ...keySets.slice(0, half)];
    const workerData: PoolWorkerData = {
      memory: arena.memory,
      control,
      call: batch.createCall(),
      keySets: own,
    };
    return new Worker(new URL('./pool-worker.ts', import.meta.url), { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const words = new Int32Array(arena.memory.buffer);
  const together = workersSide(words, controls, bench.sampleMs * SAMPLE_FACTOR);
  const alone = workersSide(words, controls.slice(0, 1), bench.sampleMs * SAMPLE_FACTOR);
  return {
    ours: together,
    bar: alone,
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Lets the workers run for `ms`. The rate is the sum of their rates, each for its own time. */
function workersSide(words: Int32Array, controls: number[], ms: number): Side {
  const states = controls.map((control) => control / 4 + STATE);
  const tell = (state: number): void => {
    for (const at of states) {
      Atomics.store(words, at, state);
      Atomics.notify(words, at);
    }
  };
  const sample = (): number => {
    tell(RUN);
    Atomics.wait(words, states[0], RUN, ms);
    tell(STOP);
    let rate = 0;
    for (const at of states) {
      if (Atomics.wait(words, at, STOP, STUCK_MS) === 'timed-out')
        throw new Error('a pooling worker does not stop');
      rate += (words[at + CALLS] * BATCH_KEYS * 1e6) / words[at + MICROSECONDS];
    }
    return rate;
  };
  return {
    warm() {
      for (let i = 0; i < WARM_SAMPLES; i++) sample();
    },
    sample,
  };
}
