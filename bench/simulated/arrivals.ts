// A thread that tells another one when lookups begin, as accurately as requests from other machines arrive.
import { parentPort, workerData } from 'node:worker_threads';

/** Milliseconds from now at which they begin. */
const { atMs } = workerData as { readonly atMs: Float64Array };
const clock = new Int32Array(new SharedArrayBuffer(4));
const begun = performance.now();
for (const at of atMs) {
  const left = at - (performance.now() - begun);
  if (left > 0) Atomics.wait(clock, 0, 0, left);
  // Clocks of threads differ; this one is common to all of them.
  parentPort?.postMessage(process.hrtime.bigint());
}
parentPort?.postMessage(undefined);
