import type { MessagePort } from 'node:worker_threads';
import { check, checkFields, integer, isObject } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { connectionsMax, portMax, workerRestartMsMin } from '../limits.ts';
import { ownShards } from '../memory-node/load-shards.ts';
import type { Reload } from '../memory-node/node-updates.ts';
import { clearWorker, type GateMemory, makeGate } from '../memory-node/write-gate.ts';
import { firstRelease, type Release } from '../plan/cluster.ts';
import type { ClusterSource } from '../plan/cluster-store.ts';
import { checkRouting } from '../plan/routing-json.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { checkSource } from '../store/table-file.ts';
import type { WorkerReport } from '../telemetry/worker-report.ts';
import type { PortOptions } from '../transport/http-port.ts';
import { checkExposure } from '../transport/security.ts';
import type { ReleaseStatus } from '../wire/handler.ts';
import { connectionsOf } from './descriptors.ts';
import { FileShards } from './file-shards.ts';
import { LoadedReleases } from './loaded-releases.ts';
import { type MemoryNodeOptions, memoryNodeOptions } from './memory-node-options.ts';
import { NodeMeter } from './node-meter.ts';
import { ServedCluster } from './served-cluster.ts';
import { startUpdateThread } from './start-update-thread.ts';
import { UpdateThread } from './update-thread.ts';
import { WorkerThread } from './worker-thread.ts';

/** A memory node. It loads its shards; worker threads serve them, each on its own port. */
export class MemoryNodeHost implements AsyncDisposable {
  readonly #options: MemoryNodeOptions;
  readonly #threads: WorkerThread[] = [];
  readonly #meter = new NodeMeter();
  /** Between the workers and the thread that writes row updates. Undefined: rows do not change. */
  readonly #gate: GateMemory | undefined;
  /** The most connections of each port. */
  readonly #connections: number;
  /** The release that it begins with. */
  readonly #release: Release;
  readonly #cluster: ServedCluster;
  #closing = false;
  #closed: Promise<void> | undefined;

  /**
   * Listens first, so that health checks reach the node, then loads the tables. The node is ready when they are loaded.
   * @throws INVALID_OPTION, INVALID_ROUTING, INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY, UNAVAILABLE, LIMIT_EXCEEDED,
   * WORKER_FAILED
   */
  static async start(options: MemoryNodeOptions): Promise<MemoryNodeHost> {
    const checked = checkFields(memoryNodeOptions, options);
    const { routing, node: id } = checked;
    const followed = isCluster(routing)
      ? { source: routing, cluster: (await routing.read()).cluster }
      : undefined;
    const release = followed ? firstRelease(followed.cluster, id) : { routing: checkRouting(routing) };
    const node = new MemoryNodeHost(checked, release);
    try {
      node.#startThreads();
      await Promise.all(node.#threads.map((_, i) => node.#listen(i)));
      await node.#load();
      if (followed !== undefined) node.#cluster.follow(followed.source, followed.cluster);
      return node;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  private constructor(options: MemoryNodeOptions, release: Release) {
    const { workers = 1, host = '127.0.0.1', security = {}, insecure = false } = options;
    checkPorts(options.port ?? 0, workers);
    checkExposure(host, security, insecure);
    this.#connections = connectionsOf(workers, options.commonPort === undefined ? 1 : 2);
    ownShards({ routing: release.routing, node: options.node });
    this.#options = { ...options, tables: checkSource(options.tables, 'tables') };
    this.#release = release;
    const { updates } = options;
    this.#gate = updates && makeGate(workers);
    const choice = updates && this.#gate && { choice: updates, gate: this.#gate };
    const serving = { ...this.#options, workers, takesUpdates: choice !== undefined };
    const releases = new LoadedReleases(serving, new FileShards(serving));
    const reload: Reload = (chain) => releases.reload(chain);
    this.#cluster = new ServedCluster(
      serving,
      {
        host: () => Promise.all(this.#threads.map((_, i) => this.#host(i))),
        unused: () => Promise.all(this.#threads.map((thread) => thread.unused())),
      },
      releases,
      choice &&
        new UpdateThread({
          ...{ gate: choice.gate, log: options.log },
          start: () => startUpdateThread({ ...choice, reload, log: options.log }),
        }),
    );
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
    const gate = this.#gate && { words: this.#gate, worker: i };
    return new WorkerThread(
      node,
      { sliceBytes, gate },
      {
        onDeath: (cause) => {
          if (this.#gate) clearWorker(this.#gate, i);
          void this.#replace(i, cause);
        },
        onWarning: ({ warned, message }) => this.#options.log?.warn({ worker: i, ...warned }, message),
        onMetrics: (to) => void this.#sendMetrics(to),
      },
    );
  }

  /** The routing table that it began with. */
  get routing(): RoutingTable {
    return this.#release.routing;
  }

  /** The releases that it has, loads, or could not load. */
  get releases(): ReleaseStatus[] {
    return this.#cluster.releases;
  }

  /** Bytes of the rows that it has. */
  get rowBytes(): number {
    return this.#cluster.held.rowBytes;
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
    await this.#cluster.start(this.#release, this.#options.onProgress);
    await Promise.all(this.#threads.map((_, i) => this.#host(i)));
  }

  async #host(i: number): Promise<void> {
    await this.#threads[i].host({ ...this.#cluster.serving(i), ports: this.ports });
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
      if (this.#cluster.isLoaded) await this.#host(i);
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
    return await this.#meter.metrics(this.#threads, this.#cluster.held, await this.#cluster.updates());
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
    await Promise.all([this.#cluster.stop(), ...this.#threads.map((thread) => thread.drain())]);
    const workers = await this.stats().then(
      (all) => all.map(summary),
      () => undefined,
    );
    if (this.#cluster.isLoaded) this.#options.log?.info({ workers }, 'drained');
    await Promise.all(this.#threads.map((thread) => thread.end()));
    await this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const isCluster = (given: RoutingTable | ClusterSource): given is ClusterSource =>
  isObject(given) && 'watch' in given;

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
