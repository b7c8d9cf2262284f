import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { cpuUsOf, ownCpuUs } from './cpu.ts';
import type { Traffic } from './traffic.ts';

/** The measurements of one round. */
export interface Round {
  readonly items: number;
  readonly ms: number;
  readonly clientUs: number;
  readonly serverUs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface Racer {
  readonly name: string;
  /** Starts calls for about `ms`, waits until all have ended, and records the duration of each call in µs. */
  round(ms: number, latencies: RecordableHistogram): Promise<Round>;
}

export interface Outcome {
  readonly name: string;
  /** Items per second: the median of all rounds. */
  readonly perSecond: number;
  /** Percentiles of the durations of all calls in all rounds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly calls: number;
  /** CPU per item in all rounds together, because the steps of /proc are too coarse for one round. */
  readonly clientUs: number;
  readonly serverUs: number;
  /** Bytes per item that the client received and sent. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface Course {
  /** Time of a round before the measured rounds. 0: no such round. */
  readonly warmMs: number;
  readonly rounds: number;
  readonly roundMs: number;
}

/**
 * Runs one round of each racer, again and again, so that a slow phase of the machine affects all racers. Every second
 * pass runs in reverse order, so that no racer always follows the same one.
 */
export async function race(
  racers: readonly Racer[],
  { warmMs, rounds, roundMs }: Course,
): Promise<Outcome[]> {
  if (warmMs > 0) for (const racer of racers) await racer.round(warmMs, createHistogram());
  const lanes = racers.map((racer) => ({ racer, latencies: createHistogram(), run: [] as Round[] }));
  for (let i = 0; i < rounds; i++)
    for (const { racer, latencies, run } of i % 2 === 0 ? lanes : lanes.toReversed())
      run.push(await racer.round(roundMs, latencies));
  return lanes.map(({ racer, latencies, run }) => outcome(racer.name, latencies, run));
}

function outcome(name: string, latencies: RecordableHistogram, run: readonly Round[]): Outcome {
  const total = (field: keyof Round): number => run.reduce((sum, round) => sum + round[field], 0);
  const each = (field: keyof Round): number => total(field) / total('items');
  const rates = run.map(({ items, ms }) => (items * 1000) / ms).sort((a, b) => a - b);
  return {
    name,
    perSecond: rates[rates.length >> 1],
    p50Ms: latencies.percentile(50) / 1000,
    p99Ms: latencies.percentile(99) / 1000,
    calls: latencies.count,
    clientUs: each('clientUs'),
    serverUs: each('serverUs'),
    bytesIn: each('bytesIn'),
    bytesOut: each('bytesOut'),
  };
}

export interface Calling {
  readonly name: string;
  /** Calls in flight at any time. */
  readonly inFlight: number;
  readonly serverPids: readonly number[];
  readonly traffic: Traffic;
  /** @returns the number of items of this call */
  call(): Promise<number>;
}

/** A racer whose client is this thread. */
export function callingRacer({ name, inFlight, serverPids, traffic, call }: Calling): Racer {
  return {
    name,
    async round(ms, latencies) {
      const [bytes, clientUs, serverUs] = [traffic.total, ownCpuUs(), cpuUsOf(serverPids)];
      const begin = performance.now();
      let items = 0;
      const callOn = async (): Promise<void> => {
        do {
          const start = performance.now();
          // `items += await …` would read `items` before it waits, and so lose what other calls add in the meantime.
          const more = await call();
          items += more;
          latencies.record(Math.max(1, Math.round((performance.now() - start) * 1000)));
        } while (performance.now() - begin < ms);
      };
      await Promise.all(Array.from({ length: inFlight }, callOn));
      const now = traffic.total;
      return {
        items,
        ms: performance.now() - begin,
        clientUs: ownCpuUs() - clientUs,
        serverUs: cpuUsOf(serverPids) - serverUs,
        bytesIn: now.in - bytes.in,
        bytesOut: now.out - bytes.out,
      };
    },
  };
}
