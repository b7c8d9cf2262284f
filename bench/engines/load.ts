// Lookups of MLPerf's shape, measured: their latency, and the processor time of the thread that asks and of the process.
import type { KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { MlperfBags } from '../../test/85.system/mlperf.ts';
import { quantile } from '../measure.ts';

export interface Load {
  readonly bags: readonly KeyedBags[];
  /** Lookups at a time, and in a sample. */
  readonly atOnce: number;
  readonly lookups: number;
}

export interface Sample {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly perSecond: number;
  /** Processor time a lookup, of the whole process and of the thread that asks. */
  readonly processUs: number;
  readonly threadUs: number;
}

export function bagsOf(samples: number, count = 64): KeyedBags[] {
  const draw = new MlperfBags(samples);
  return Array.from({ length: count }, () => draw.draw(samples));
}

/** Looks up all bags in turn. */
export async function sample(ranker: Ranker, { bags, atOnce, lookups }: Load): Promise<Sample> {
  const us = new Float64Array(lookups);
  let next = 0;
  const [process_, thread, began] = [process.cpuUsage(), process.threadCpuUsage(), performance.now()];
  const lane = async (): Promise<void> => {
    while (next < lookups) {
      const i = next++;
      const since = performance.now();
      using found = await ranker.lookup(bags[i % bags.length]);
      us[i] = (performance.now() - since) * 1000;
      // A program looks at every result.
      for (const [, { values }] of found) if (values.length === 0) throw new Error('no values');
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const ms = performance.now() - began;
  const [ofProcess, ofThread] = [process.cpuUsage(process_), process.threadCpuUsage(thread)];
  return {
    p50Us: quantile([...us], 0.5),
    p99Us: quantile([...us], 0.99),
    perSecond: (lookups * 1000) / ms,
    processUs: (ofProcess.user + ofProcess.system) / lookups,
    threadUs: (ofThread.user + ofThread.system) / lookups,
  };
}
