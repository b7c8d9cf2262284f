import type { Hosting } from '../memory-node/hosting.ts';
import { emptyReport, sumOfReports, type WorkerReport } from '../telemetry/worker-report.ts';
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

  /** The metrics in the text format of Prometheus. @param hosting undefined until the tables are loaded */
  async metrics(threads: readonly WorkerThread[], hosting: Hosting | undefined): Promise<string> {
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
    const node = await nodeMetrics({ workers: await Promise.all(reports), restarts, ...heldBy(hosting) });
    return `${node}\n${await processMetrics()}`;
  }
}

/** What a node holds, and how many bytes that takes. */
function heldBy(hosting: Hosting | undefined): Record<'tables' | 'rows' | 'rowBytes' | 'arenaBytes', number> {
  if (hosting === undefined) return { tables: 0, rows: 0, rowBytes: 0, arenaBytes: 0 };
  const { shards, memories, description } = hosting;
  return {
    tables: description.tables.length,
    rows: sum(shards.map(({ rows }) => rows.rows)),
    rowBytes: sum(shards.map(({ rows }) => rows.rows * rows.rowBytes)),
    arenaBytes: sum(memories.map(({ buffer }) => buffer.byteLength)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
