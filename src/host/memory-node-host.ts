import type { MessagePort } from 'node:worker_threads';
import * as v from 'valibot';
import {
  callback,
  check,
  checkFields,
  given,
  integer,
  isObject,
  numberWhere,
  options as optionsOf,
  type Schema,
} from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { connectionsMax, portMax, workerRestartMsMin, workersMax } from '../limits.ts';
import type { Log } from '../log.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import { ownShards } from '../memory-node/load-shards.ts';
import type { MemoryNodeTuning } from '../memory-node/tuning.ts';
import { checkRouting } from '../plan/routing-json.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { LoadProgress } from '../store/load.ts';
import { checkSource, type TableSource, tableSourceText } from '../store/table-file.ts';
import type { WorkerReport } from '../telemetry/worker-report.ts';
import type { PortOptions } from '../transport/http-port.ts';
import { type ListenOptions, listenFields } from '../transport/listen-options.ts';
import { type DeviceChoice, deviceChoice } from '../transport/rdma/device-choice.ts';
import { checkExposure } from '../transport/security.ts';
import { connectionsOf } from './descriptors.ts';
import { loadHostings } from './hostings.ts';
import { NodeMeter } from './node-meter.ts';
import { RegisteredTables } from './registered-tables.ts';
import { WorkerThread } from './worker-thread.ts';

export interface MemoryNodeOptions extends MemoryNodeTuning, ListenOptions {
  /** The safetensors file of the tables. The node loads only its own shards. */
  readonly tables: TableSource;
  readonly routing: RoutingTable;
  /** The id of this node in the routing table. */
  readonly node: string;
  /**
   * Compares every row with the digests in the plan, which must contain them. Default: compares a sample of the rows,
   * if the plan contains a digest of it.
   */
  readonly verify?: boolean | undefined;
  /** Port of the first worker. The other workers use the following ports. 0 (default): any free ports. */
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
  /** A port that all workers share. Connections spread unevenly over the workers, and not every system supports it. */
  readonly commonPort?: number | undefined;
  /** Serves by RDMA too, with this device; {}: the first device that works. Needs the package ibverbs-node. */
  readonly rdma?: DeviceChoice | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly log?: Log | undefined;
}

const isLog = (value: unknown): boolean =>
  isObject(value) && ['debug', 'info', 'warn', 'error'].every((level) => typeof value[level] === 'function');

/** @internal */
export const anyLog: Schema<Log> = v.custom<Log>(
  isLog,
  'a log with the functions debug, info, warn and error',
);

/** Tables, routing and exposure are checked by other functions. */
const memoryNodeOptions: Schema<MemoryNodeOptions> = optionsOf({
  tables: given<TableSource>(tableSourceText),
  routing: given<RoutingTable>('a routing table'),
  node: v.string(),
  verify: v.optional(v.boolean()),
  ...listenFields,
  workers: v.optional(integer(1, workersMax)),
  commonPort: v.optional(integer(0, portMax)),
  rdma: v.optional(deviceChoice),
  onProgress: v.optional(callback<(progress: LoadProgress) => void>()),
  log: v.optional(anyLog),
  sliceBytes: v.optional(numberWhere((bytes) => bytes > 0, 'bytes, more than 0')),
});

/** A memory node. It loads its shards; worker threads serve them, each on its own port. */
export class MemoryNodeHost implements AsyncDisposable {
  readonly #options: MemoryNodeOptions;
  readonly #threads: WorkerThread[] = [];
  readonly #meter = new NodeMeter();
  /** The most connections of each port. */
  readonly #connections: number;
  #hostings: Hosting[] = [];
  #tables: RegisteredTables | undefined;
  #closing = false;
  #closed: Promise<void> | undefined;

  /**
   * Listens first, so that health checks reach the node, then loads the tables. The node is ready when they are loaded.
   * @throws INVALID_OPTION, INVALID_ROUTING, INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY, UNAVAILABLE, LIMIT_EXCEEDED,
   * WORKER_FAILED
   */
  static async start(options: MemoryNodeOptions): Promise<MemoryNodeHost> {
    const node = new MemoryNodeHost(options);
    try {
      node.#startThreads();
      await Promise.all(node.#threads.map((_, i) => node.#listen(i)));
      await node.#load();
      return node;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  private constructor(given: MemoryNodeOptions) {
    const options = checkFields(memoryNodeOptions, given);
    const { workers = 1, host = '127.0.0.1', security = {}, insecure = false } = options;
    checkPorts(options.port ?? 0, workers);
    checkExposure(host, security, insecure);
    this.#connections = connectionsOf(workers, options.commonPort === undefined ? 1 : 2);
    const [tables, routing] = [checkSource(options.tables, 'tables'), checkRouting(options.routing)];
    ownShards({ routing, node: options.node });
    this.#options = { ...options, tables, routing };
  }

  #startThreads(): void {
    const { workers = 1, log } = this.#options;
    if (this.#connections < connectionsMax)
      log?.warn(
        { connections: this.#connections, wanted: connectionsMax },
        'a port may have few connections: raise ulimit -n',
      );
    for (let i = 0; i < workers; i++) this.#threads.push(this.#thread(i));
  }

  #thread(i: number): WorkerThread {
    const { node, sliceBytes } = this.#options;
    return new WorkerThread(
      node,
      { sliceBytes },
      {
        onDeath: (cause) => void this.#replace(i, cause),
        onWarning: ({ warned, message }) => this.#options.log?.warn({ worker: i, ...warned }, message),
        onMetrics: (to) => void this.#sendMetrics(to),
      },
    );
  }

  /** Ports of the workers. */
  get ports(): number[] {
    return this.#threads.map(({ port }) => port);
  }

  /** The address for rankers. */
  get url(): string {
    const { host = '127.0.0.1', security } = this.#options;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${security?.cert === undefined ? 'http' : 'https'}://${name}:${this.ports[0]}`;
  }

  async #listen(i: number): Promise<void> {
    const {
      host = '127.0.0.1',
      port = 0,
      commonPort,
      security,
      allowOrigin,
      allowHosts,
      stuckMs,
    } = this.#options;
    const shared = { host, security, allowOrigin, allowHosts, stuckMs, connections: this.#connections };
    const own = { ...shared, port: this.#threads[i].port || (port === 0 ? 0 : port + i) };
    const common: PortOptions | undefined =
      commonPort === undefined ? undefined : { ...shared, port: commonPort, reusePort: true };
    await this.#threads[i].listen(own, common);
  }

  async #load(): Promise<void> {
    this.#hostings = await loadHostings({ ...this.#options, workers: this.#threads.length });
    const { rdma } = this.#options;
    if (rdma !== undefined) this.#tables = await RegisteredTables.register(this.#hostings[0], rdma);
    await Promise.all(this.#threads.map((_, i) => this.#host(i)));
  }

  async #host(i: number): Promise<void> {
    await this.#threads[i].host(this.#hostings[i], this.ports, this.#tables?.serving);
  }

  /** Replaces a dead worker, whose subrequests failed with its connections. The new one gets its port and its slots. */
  async #replace(i: number, cause: unknown): Promise<void> {
    if (this.#closing) return;
    const port = this.#threads[i].port;
    this.#options.log?.warn({ worker: i, port, err: cause }, 'a worker died; starting another');
    await new Promise((done) => setTimeout(done, workerRestartMsMin));
    if (this.#closing) return;
    const thread = this.#thread(i);
    thread.port = port;
    this.#meter.replaced(i, this.#threads[i]);
    this.#threads[i] = thread;
    try {
      await this.#listen(i);
      if (this.#hostings.length > 0) await this.#host(i);
      this.#options.log?.info({ worker: i, port }, 'the worker serves again');
    } catch (error) {
      // If the thread has ended or ends here, `onDeath` calls this method again.
      this.#options.log?.warn({ worker: i, port, err: error }, 'the worker could not be started');
      await thread.end();
    }
  }

  /** Ends a worker at once, as if it had crashed. @throws INVALID_OPTION */
  async killWorker(i: number): Promise<void> {
    check(integer(0, this.#threads.length - 1), i, 'worker');
    await this.#threads[i].end();
  }

  /**
   * The statistics of each worker since it was started. All are 0 for a worker that is being replaced.
   * @throws WORKER_FAILED if a worker does not answer
   */
  async stats(): Promise<WorkerReport[]> {
    return await Promise.all(this.#threads.map((thread) => thread.stats()));
  }

  /**
   * The metrics of the node and of this process, in the text format of Prometheus. Every worker answers
   * `GET /metrics` with them. A worker that has died or hangs counts as it was last seen.
   */
  async metrics(): Promise<string> {
    return await this.#meter.metrics(this.#threads, this.#hostings[0]);
  }

  /** Sends the metrics to a worker that was asked for them. */
  async #sendMetrics(to: MessagePort): Promise<void> {
    try {
      to.postMessage(await this.metrics());
    } catch (error) {
      this.#options.log?.warn({ err: error }, 'the metrics could not be collected');
    } finally {
      to.close();
    }
  }

  /** Answers the subrequests that it holds, and ends. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map((thread) => thread.drain()));
    const workers = await this.stats().then(
      (all) => all.map(summary),
      () => undefined,
    );
    if (this.#hostings.length > 0) this.#options.log?.info({ workers }, 'drained');
    await Promise.all(this.#threads.map((thread) => thread.end()));
    this.#tables?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What the log says of a worker. */
function summary({ subrequests, keys, errors, refused, busyUs, held }: WorkerReport): object {
  return { subrequests, keys, errors, refused, busyUs, held };
}

/** @throws INVALID_OPTION */
function checkPorts(port: number, workers: number): void {
  if (port === 0 || port + workers - 1 <= portMax) return;
  const message = `port: expected an integer from 0 to ${portMax - workers + 1} for ${workers} workers, not ${port}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'port', value: port });
}
