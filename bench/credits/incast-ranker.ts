// A process with a ranker that asks all nodes at once. Arguments: ports, bytes of its budget, lookups at a time, seconds.
import { openRanker } from '../../src/host/open-ranker.ts';
import { FlexemrError } from '../../src/index.ts';
import { routingOf, table } from './big-table.ts';

/** What a run has shown. */
export interface IncastResult {
  readonly lookupsPerSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly late: number;
  /** The most bytes of replies that nodes might send at a time. */
  readonly underWay: number;
  /** The most memory in buffers, and of the process. */
  readonly bufferBytes: number;
  readonly rssBytes: number;
  readonly held: number;
}

const deadline = 2_000;
const [ports, bytes, atOnce, seconds] = process.argv.slice(2);
const routing = routingOf(JSON.parse(ports));
const ranker = await openRanker({ routing, replyBytes: Number(bytes), pushDown: 'always' });
const bags = { [table.name]: { keys: Uint32Array.from({ length: table.rows }, (_, i) => i), offsets: [0] } };
let [underWay, bufferBytes, rssBytes, late] = [0, 0, 0, 0];
const look = (): void => {
  underWay = Math.max(underWay, ranker.stats.replyBytesUnderWay);
  const { arrayBuffers, rss } = process.memoryUsage();
  bufferBytes = Math.max(bufferBytes, arrayBuffers);
  rssBytes = Math.max(rssBytes, rss);
};
const times: number[] = [];
let until = Number.POSITIVE_INFINITY;
const loop = async (): Promise<void> => {
  while (performance.now() < until) {
    const began = performance.now();
    try {
      const lookup = await ranker.lookup(bags, { deadline });
      lookup[Symbol.dispose]();
    } catch (error) {
      if (!(error instanceof FlexemrError)) throw error;
      late++;
    }
    times.push(performance.now() - began);
  }
};
for (let i = 0; i < 3; i++) (await ranker.lookup(bags))[Symbol.dispose]();
const began = performance.now();
until = began + Number(seconds) * 1_000;
const timer = setInterval(look, 1);
const loops = Array.from({ length: Number(atOnce) }, loop);
look();
await Promise.all(loops);
clearInterval(timer);
const ms = performance.now() - began;
times.sort((a, b) => a - b);
const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))];
const result: IncastResult = {
  lookupsPerSecond: ((times.length - late) * 1_000) / ms,
  ...{ medianMs: at(0.5), p99Ms: at(0.99), late, underWay, bufferBytes, rssBytes },
  held: ranker.stats.repliesHeld,
};
process.send?.(result);
await ranker.close();
process.disconnect?.();
