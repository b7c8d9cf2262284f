import { Counter, Gauge, type Histogram, Registry } from 'prom-client';
import type { Distribution } from '../memory-node/histogram.ts';
import type { NodeUpdatesStats } from '../memory-node/node-updates.ts';
import { keysBounds, secondsBounds } from '../memory-node/worker-stats.ts';
import type { ErrorsByCode } from '../wire/error-counts.ts';
import { answeredCodes } from '../wire/status.ts';
import { sumOfReports, type WorkerReport } from './worker-report.ts';

/** What a memory node reports of itself. */
export interface NodeReport {
  /** Of each worker, with what the workers before it had counted. */
  readonly workers: readonly WorkerReport[];
  /** How often each worker was replaced. */
  readonly restarts: readonly number[];
  /** What the node holds, and bytes of its rows and of all its memories. */
  readonly tables: number;
  readonly rows: number;
  readonly rowBytes: number;
  readonly arenaBytes: number;
  /** What was done with row updates. */
  readonly updates: NodeUpdatesStats;
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with the name `flexemr_node_…`. Its labels are those of its samples. */
interface Metric {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const prefix = 'flexemr_node_';

/** The metrics of a node in the text format of Prometheus. docs/operating.md lists them. */
export async function nodeMetrics(node: NodeReport): Promise<string> {
  const register = new Registry();
  const all = sumOfReports(node.workers);
  for (const metric of [...counters(node, all), ...gauges(node), ...updateMetrics(node)])
    add(register, metric);
  addHistogram(
    register,
    ['subrequest_seconds', 'Time from a complete subrequest to its reply.'],
    secondsBounds,
    all.seconds,
  );
  addHistogram(
    register,
    ['subrequest_keys', 'Keys of each subrequest whose answer has begun.'],
    keysBounds,
    all.sizes,
  );
  return await register.metrics();
}

function counters({ workers, restarts }: NodeReport, all: WorkerReport): Metric[] {
  const counter = (name: string, help: string, samples: readonly Sample[]): Metric => {
    return { type: 'counter', name: `${name}_total`, help, samples };
  };
  return [
    counter(
      'subrequests',
      'Subrequests whose answer has begun.',
      ofWorkers(workers, (of) => of.subrequests),
    ),
    counter('keys', 'Keys of subrequests whose answer has begun.', [{ value: all.keys }]),
    counter('segments', 'Segments of subrequests: pooled at the node, or fetched as stored rows.', [
      { labels: { answer: 'pooled' }, value: all.segmentsPooled },
      { labels: { answer: 'fetched' }, value: all.segmentsFetched },
    ]),
    counter('fetched_rows', 'Rows that were sent as stored.', [{ value: all.rowsFetched }]),
    counter('errors', 'Subrequests that were answered with an error.', ofCodes(all.errorsByCode)),
    counter('json_lookups', 'Lookups in JSON that have begun to arrive.', [{ value: all.jsonLookups }]),
    counter(
      'json_errors',
      'Lookups in JSON that were answered with an error.',
      ofCodes(all.jsonErrorsByCode),
    ),
    counter('received_bytes', 'Bytes of subrequests and of complete lookups in JSON that arrived.', [
      { value: all.bytesReceived },
    ]),
    counter('sent_bytes', 'Bytes of replies and of results in JSON that were sent.', [
      { value: all.bytesSent },
    ]),
    counter(
      'busy_seconds',
      'Time that a worker spent on reading subrequests and pooling.',
      ofWorkers(workers, (of) => of.busyUs / 1e6),
    ),
    counter(
      'worker_restarts',
      'Workers that died and were replaced.',
      ofWorkers(restarts, (times) => times),
    ),
  ];
}

function gauges({ workers, tables, rows, rowBytes, arenaBytes }: NodeReport): Metric[] {
  const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => {
    return { type: 'gauge', name, help, samples };
  };
  const each = (name: string, help: string, of: (worker: WorkerReport) => number): Metric =>
    gauge(name, help, ofWorkers(workers, of));
  return [
    each('worker_ready', 'Whether a worker takes subrequests: 1 or 0.', (of) => of.ready),
    each('subrequests_held', 'Subrequests that a worker holds, complete or not.', (of) => of.held),
    each('subrequests_waiting', 'Subrequests that wait until a worker pools them.', (of) => of.waiting),
    each('connections', 'Open connections of a worker.', (of) => of.connections),
    each('slot_bytes', 'Bytes of memory that a worker has for frames and replies.', (of) => of.slotBytes),
    each('slot_free_bytes', 'Bytes of this memory that are free.', (of) => of.slotBytesFree),
    gauge('tables', 'Tables of which the node holds rows.', [{ value: tables }]),
    gauge('rows', 'Rows that the node holds.', [{ value: rows }]),
    gauge('row_bytes', 'Bytes of the rows that the node holds.', [{ value: rowBytes }]),
    gauge('arena_bytes', 'Bytes of all memory for rows, frames and replies.', [{ value: arenaBytes }]),
  ];
}

function updateMetrics({ updates }: NodeReport): Metric[] {
  const { applied, skipped, refused, reloads, gateUs, madeAt, isAway } = updates;
  return [
    {
      ...{ type: 'counter', name: 'update_batches_total' },
      help: 'Batches of row updates: written, left out, or refused because they are wrong.',
      samples: [
        { labels: { outcome: 'applied' }, value: applied },
        { labels: { outcome: 'skipped' }, value: skipped },
        { labels: { outcome: 'refused' }, value: refused },
      ],
    },
    {
      ...{ type: 'counter', name: 'update_reloads_total' },
      help: 'Shards whose rows were read again, because the log did not continue them.',
      samples: [{ value: reloads }],
    },
    {
      ...{ type: 'counter', name: 'update_write_seconds_total' },
      help: 'Time in which workers could not read rows, because they were written.',
      samples: [{ value: gateUs / 1e6 }],
    },
    {
      ...{ type: 'gauge', name: 'update_made_timestamp_seconds' },
      help: 'When the last batch was made that was written, in seconds since 1970.',
      samples: [{ value: madeAt / 1000 }],
    },
    {
      ...{ type: 'gauge', name: 'update_log_away' },
      help: 'Whether the log of row updates does not answer: 1 or 0.',
      samples: [{ value: Number(isAway) }],
    },
  ];
}

function ofWorkers<T>(workers: readonly T[], of: (worker: T) => number): Sample[] {
  return workers.map((worker, i) => ({ labels: { worker: String(i) }, value: of(worker) }));
}

/** All codes from the start, because the rate of a counter that appears with its first error misses that error. */
function ofCodes(errors: ErrorsByCode): Sample[] {
  return answeredCodes.map((code) => ({ labels: { code }, value: errors[code] ?? 0 }));
}

function add(register: Registry, { type, name, help, samples }: Metric): void {
  const labelNames = Object.keys(samples[0]?.labels ?? {});
  const options = { name: `${prefix}${name}`, help, labelNames, registers: [register] };
  const metric = type === 'counter' ? new Counter(options) : new Gauge(options);
  for (const { labels = {}, value } of samples) metric.inc(labels, value);
}

/** prom-client's own histogram takes single values only. Here, they were already counted. */
function addHistogram(
  register: Registry,
  [ending, help]: readonly [name: string, help: string],
  bounds: readonly number[],
  { counts, sum }: Distribution,
): void {
  const name = `${prefix}${ending}`;
  let upTo = 0;
  const buckets = counts.map((count, i) => {
    upTo += count;
    return { metricName: `${name}_bucket`, labels: { le: bounds[i] ?? '+Inf' }, value: upTo };
  });
  const totals = [
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: upTo },
  ];
  const values = [...buckets, ...totals];
  const metric = { name, get: async () => ({ name, help, type: 'histogram', values, aggregator: 'sum' }) };
  register.registerMetric(metric as unknown as Histogram);
}
