// Latencies while one of three nodes stalls, again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import { openRanker } from '../../src/host/open-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { bags, type Started } from './nodes.ts';

/** Lookups per second; how long the node stalls, and how long it goes on in between. */
const rate = 200;
const stallMs = 300;
const calmMs = 700;

/** Latencies while nothing fails, and while one of three nodes stalls, with and without hedges. */
export async function stall({ routing, pids }: Started, ms: number): Promise<void> {
  console.log(`\n${rate} lookups per second; n0 stalls for ${stallMs} of ${stallMs + calmMs} ms`);
  for (const hedge of [true, false]) {
    await using ranker = await openRanker({ routing, transport: 'stream', hedge });
    await load(ranker, 2_000);
    for (const stalls of [false, true]) {
      const before = ranker.stats;
      const stop = new AbortController();
      const stalling = stalls ? stallAgain(pids[0], stop.signal) : undefined;
      const { p50, p99, worst, failed } = await load(ranker, ms);
      stop.abort();
      await stalling;
      const { hedged, subrequests } = ranker.stats;
      const share = (100 * (hedged - before.hedged)) / (subrequests - before.subrequests);
      console.log(
        `${hedge ? 'hedges' : 'no hedges'}, ${stalls ? 'n0 stalls' : 'calm'}:`.padEnd(24) +
          ` p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(0)} ms, ` +
          `${failed} failed, ${share.toFixed(2)} % hedged`,
      );
    }
  }
}

async function stallAgain(pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    process.kill(pid, 'SIGSTOP');
    await sleep(stallMs);
    process.kill(pid, 'SIGCONT');
    await sleep(calmMs);
  }
}

/** Lookups that begin at their times, whether earlier ones have ended or not. */
async function load(
  ranker: Ranker,
  ms: number,
): Promise<{ readonly p50: number; readonly p99: number; readonly worst: number; readonly failed: number }> {
  const took: number[] = [];
  let failed = 0;
  const began = performance.now();
  const all: Promise<void>[] = [];
  for (let i = 0; i < (ms * rate) / 1_000; i++) {
    const at = began + (i * 1_000) / rate;
    await sleep(Math.max(0, at - performance.now()));
    const since = performance.now();
    const end = (): void => void took.push(performance.now() - since);
    all.push(ranker.lookup(bags).then(end, () => void failed++));
  }
  await Promise.all(all);
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(took.length * share)];
  return { p50: at(0.5), p99: at(0.99), worst: took[took.length - 1], failed };
}
