// A ranker and a scorer in a process of their own, under a load that changes.
import { readFileSync } from 'node:fs';
import { openParts } from '../../src/host/open-scorer.ts';
import { openRanker, type ScoreRequest } from '../../src/index.ts';
import type { Scorer } from '../../src/scorer/scorer.ts';
import { mix32 } from '../data.ts';
import { quantile } from '../measure.ts';
import { ownCpuUs } from '../serving/cpu.ts';
import type { Day, Phase, PhaseResult } from './memory-day.ts';
import { zipfRanks } from './zipf.ts';

const day: Day = JSON.parse(process.argv[2]);
const { tables, rows, exponent, dense, cache, batchCandidates } = day;
/** A part of the limit is left free, because garbage is not the same in every run. */
const capacityShare = 0.9;
/** Requests of so many candidates fill a cache. */
const fillCandidates = 256;
const fillSecondsMax = 30;

/** Resident bytes of files, such as the program. A control group does not count them for a process that did not read them first. */
function fileBytes(): number {
  return 1_024 * Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

const capacity = Math.floor(capacityShare * day.limit) + fileBytes();
const adaptiveCache = { capacity, window: day.window };
const how = cache === 'adaptive' ? { adaptiveCache } : { cache };
await using ranker = await openRanker({ routing: JSON.parse(readFileSync(day.routing, 'utf8')), ...how });
let largest = 0;
const observer = {
  ended: () => {},
  waited: () => {},
  stage: () => {},
  batch: (candidates: number) => (largest = Math.max(largest, candidates)),
};
const { scorer } = await openParts(
  { source: ranker, dense: day.networks, batchCandidates, queueCandidates: 1_048_576 },
  { tracer: undefined, observer, onCacheError: (error) => console.error(error) },
);

let drawn = day.seed;
const rank = zipfRanks(rows, exponent, () => mix32(drawn++));
const denseValues = new Float32Array(dense);
const lengths = new Uint32Array(0x1_0000).fill(1);

/** A rank is another row in each table. */
function requestOf(candidates: number): ScoreRequest {
  const bags = tables.map((name, table) => {
    const keys = Uint32Array.from({ length: candidates }, () => mix32(rank() + table * rows) % rows);
    return [name, { keys, lengths: lengths.subarray(0, candidates) }] as const;
  });
  return { bags: Object.fromEntries(bags), dense: { dense: denseValues } };
}

async function run({ seconds, candidates, outstanding }: Phase): Promise<PhaseResult> {
  largest = 0;
  const began = performance.now();
  const half = began + 500 * seconds;
  const end = began + 1_000 * seconds;
  let counted: Pick<PhaseResult, 'cpuUs' | 'replyBytes' | 'hitBytes'> | undefined;
  let countedAt = 0;
  const took: number[] = [];
  let samples = 0;
  const now = (): NonNullable<typeof counted> => {
    const { bytesIn, cache: stats } = ranker.stats;
    return { cpuUs: ownCpuUs(), replyBytes: bytesIn, hitBytes: stats?.hitBytes ?? 0 };
  };
  const send = async (own: Scorer): Promise<void> => {
    while (performance.now() < end) {
      const request = requestOf(candidates);
      const sent = performance.now();
      await own.score(request, { deadline: 60_000 });
      const at = performance.now();
      if (at >= half && counted === undefined) [counted, countedAt] = [now(), at];
      if (sent < half) continue;
      took.push(at - sent);
      samples += candidates;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, () => send(scorer)));
  const after = now();
  const before = counted ?? after;
  return {
    ...{ samples, seconds: (performance.now() - countedAt) / 1_000, largestBatch: largest },
    ...{ p50: quantile(took, 0.5), p99: quantile(took, 0.99) },
    cpuUs: after.cpuUs - before.cpuUs,
    replyBytes: after.replyBytes - before.replyBytes,
    hitBytes: after.hitBytes - before.hitBytes,
    cacheBytes: ranker.stats.cache?.bytes ?? 0,
  };
}

if (day.fill) {
  const end = performance.now() + 1_000 * fillSecondsMax;
  const isFull = (): boolean => {
    const { usedBytes = 1, bytes = 1 } = ranker.stats.cache ?? {};
    return usedBytes >= 0.9 * bytes;
  };
  while (!isFull() && performance.now() < end) {
    const { bags } = requestOf(fillCandidates);
    (await ranker.lookup(bags))[Symbol.dispose]();
  }
}
const results: PhaseResult[] = [];
for (const phase of day.phases) results.push(await run(phase));
process.stdout.write(`${JSON.stringify(results)}\n`);
await scorer.close();
process.exit(0);
