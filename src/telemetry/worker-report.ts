import { WorkerCounts, type WorkerStats } from '../memory-node/worker-stats.ts';
import { PortCounts, type PortStats } from '../transport/port-stats.ts';

/** What a worker of a memory node has done since it started, and its state now. */
export interface WorkerReport extends WorkerStats, PortStats {
  /** 1 if it takes subrequests, otherwise 0. */
  readonly ready: number;
}

/** The state of a worker that has ended. */
const ended = { ready: 0, held: 0, waiting: 0, slotBytes: 0, slotBytesFree: 0, connections: 0 };

/** The report of a worker that has done nothing. */
export const emptyReport: WorkerReport = {
  ...new WorkerCounts().stats,
  ...new PortCounts().stats(0),
  ...ended,
};

/** What remains of a report when its worker has ended: the counters. */
export function endedReport(report: WorkerReport): WorkerReport {
  return { ...report, ...ended };
}

export function sumOfReports(reports: readonly WorkerReport[]): WorkerReport {
  return reports.reduce((total, report) => sum(total, report) as WorkerReport, emptyReport);
}

/** Adds numbers, lists of numbers of one length, and objects of both. A name that only one object has is kept. */
function sum(one: unknown, other: unknown): unknown {
  if (one === undefined || other === undefined) return one ?? other;
  if (typeof one === 'number') return one + (other as number);
  if (Array.isArray(one)) return one.map((value, i) => sum(value, (other as unknown[])[i]));
  const [some, more] = [one as Record<string, unknown>, other as Record<string, unknown>];
  return Object.fromEntries(
    Object.keys({ ...some, ...more }).map((name) => [name, sum(some[name], more[name])]),
  );
}
