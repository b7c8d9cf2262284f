import type { NodeUpdatesStats } from '../memory-node/node-updates.ts';
import { emptyReport, sumOfReports, type WorkerReport } from '../telemetry/worker-report.ts';
import type { LoadedReleases } from './loaded-releases.ts';
import type { WorkerThread } from './worker-thread.ts';

/** Collects the metrics of a memory node. Its counters never decrease, because it adds those of workers that died. */
export class NodeMeter {
  /** What the workers at each place had counted before the current one. */
  readonly #ended: WorkerReport[] = [];
  readonly #restarts: number[] = [];

  /** The worker at place `i` has ended, and another takes its place. */
  replaced(i: number, ended: WorkerThread): void {
    this.#ended[i] = sumOfReports([this.#endedAt(i), ended.counted]);
    this.#restarts[i] = this.#restartsAt(i) + 1;
  }

  #endedAt(i: number): WorkerReport {
    return this.#ended[i] ?? emptyReport;
  }

  #restartsAt(i: number): number {
    return this.#restarts[i] ?? 0;
  }

  /** The metrics in the text format of Prometheus. @param held by the node */
  async metrics(
    threads: readonly WorkerThread[],
    held: LoadedReleases['held'],
    updates: NodeUpdatesStats,
  ): Promise<string> {
    const restarts = threads.map((_, i) => this.#restartsAt(i));
    const reports = threads.map(async (thread, i) => {
      const before = this.#endedAt(i);
      return sumOfReports([before, await thread.report()]);
    });
    // They are loaded when they are needed, because prom-client takes long to load.
    const [{ nodeMetrics }, { processMetrics }] = await Promise.all([
      import('../telemetry/node-metrics.ts'),
      import('../telemetry/process-metrics.ts'),
    ]);
    const node = await nodeMetrics({ workers: await Promise.all(reports), restarts, ...held, updates });
    return `${node}\n${await processMetrics()}`;
  }
}
