import type { Measured, Meter } from './meter.ts';
import type { RequestBags } from './requests.ts';

/** The summary of a command, for people and programs. */
export interface LookupReport extends Measured {
  readonly requests: number;
  readonly tables: number;
  readonly keys: number;
  /** Time in lookups and in reading and writing files, without loading. */
  readonly ms: number;
  readonly lookupsPerSecond: number;
  readonly out: string;
}

/** The report of the lookups of these bags since `started`, in ms of `performance.now()`. */
export function reportOf(
  bags: readonly RequestBags[],
  { measured }: Meter,
  started: number,
  out: string,
): LookupReport {
  const ms = performance.now() - started;
  return {
    requests: bags[0]?.requests ?? 0,
    tables: bags.length,
    keys: bags.reduce((sum, own) => sum + own.keys(), 0),
    ms,
    ...measured,
    lookupsPerSecond: measured.lookups / (ms / 1000),
    out,
  };
}

/** The report as text for people. */
export function reportText(report: LookupReport): string {
  const { requests, tables, keys, ms, out, lookups, p50Ms, p99Ms } = report;
  const rate = count(keys / (ms / 1000));
  const done = `${requests} requests, ${tables} tables, ${keys} keys in ${ms.toFixed(0)} ms (${rate} keys/s) → ${out}`;
  const timed = `${lookups} lookups (${count(report.lookupsPerSecond)}/s), p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
  return `${done}\n${timed}${movedText(report)}`;
}

function movedText({
  bytesOut,
  bytesIn,
  subrequests,
  segmentsPushed,
  segmentsFetched,
  bagsRepeated,
  bagsCached,
}: LookupReport): string {
  if (bytesOut === undefined || bytesIn === undefined) return '';
  const moved = `${count(bytesOut / 1000)} KB out, ${count(bytesIn / 1000)} KB in`;
  return `; ${moved}; ${subrequests} subrequests, ${segmentsPushed} segments pooled at nodes, ${segmentsFetched} fetched, ${bagsRepeated} bags sent once, ${bagsCached} from the cache`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
