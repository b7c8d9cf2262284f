import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError, show } from '../errors.ts';
import { portMax, workerRestartMsMin, workersMax } from '../limits.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import type { MemoryNodeTuning, WorkerStats } from '../memory-node/memory-node.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { LoadProgress } from '../store/load.ts';
import { checkOrigin } from '../transport/cross-origin.ts';
import { checkAllowedHosts } from '../transport/host-check.ts';
import { checkStuckMs, type ListenerOptions } from '../transport/listener.ts';
import type { DeviceChoice } from '../transport/rdma/device.ts';
import { checkExposure, type ServerSecurity } from '../transport/security.ts';
import { checkDescriptors } from './descriptors.ts';
import { loadHostings } from './hostings.ts';
import { RegisteredTables } from './registered-tables.ts';
import { type RdmaServing, resultOf, type WorkerControl } from './worker-control.ts';

/** Where a node says what happens to it. */
export interface Log {
  info(what: object, message: string): void;
  warn(what: object, message: string): void;
}

export interface MemoryNodeOptions extends MemoryNodeTuning {
  /** The tables, safetensors, of which the node loads its shards. */
  readonly tables: string;
  readonly routing: RoutingTable;
  /** Which node of the routing table this is. */
  readonly node: string;
  /** Compare every row with the plan's digests, which it must have; default: a sample of them, where it has one. */
  readonly verify?: boolean | undefined;
  /** Default 127.0.0.1. Others need a token, mutual TLS, or `insecure`. */
  readonly host?: string | undefined;
  /** Of the first worker; the others take the next ones. 0 (default): free ones. */
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
  /** A port that all workers share: connections spread unevenly over them, and not every system has it. */
  readonly commonPort?: number | undefined;
  readonly security?: ServerSecurity | undefined;
  readonly insecure?: boolean | undefined;
  /** Pages of this origin may ask by `flexemr/edge` (CORS): `https://app.example`, or `*`. Default: of none. */
  readonly allowOrigin?: string | undefined;
  /** Host names that a node without a token answers to, beside those of its machine: names without a dot, and addresses. */
  readonly allowHosts?: readonly string[] | undefined;
  /** How long a peer may take over a request, a frame or a reply before it is cut off. Default, and most: 10 s. */
  readonly stuckMs?: number | undefined;
  /** Serve by RDMA too, through this device; {}: the first there is. Needs the package ibverbs-node. */
  readonly rdma?: DeviceChoice | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly log?: Log | undefined;
}

/** A memory node: loads its shards, and lets worker threads serve them, each at a port of its own. */
export class MemoryNodeHost implements AsyncDisposable {
  readonly #options: MemoryNodeOptions;
  readonly #threads: Thread[] = [];
  #hostings: Hosting[] = [];
  #tables: RegisteredTables | undefined;
  #closing = false;
  #closed: Promise<void> | undefined;

  /**
   * Listens first, so that health checks find it; ready once the tables are loaded.
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

  private constructor(options: MemoryNodeOptions) {
    const { workers = 1, host = '127.0.0.1', security = {}, insecure = false } = options;
    if (!Number.isInteger(workers) || workers < 1 || workers > workersMax) {
      const message = `workers = ${workers} must be an integer from 1 to ${workersMax}`;
      throw new FlexemrError('INVALID_OPTION', message, { field: 'workers', value: workers });
    }
    checkPorts(options.port ?? 0, workers);
    checkExposure(host, security, insecure);
    checkOrigin(options.allowOrigin);
    checkAllowedHosts(options.allowHosts ?? []);
    checkStuckMs(options.stuckMs);
    checkDescriptors(workers);
    this.#options = options;
  }

  #startThreads(): void {
    const { workers = 1 } = this.#options;
    for (let i = 0; i < workers; i++) this.#threads.push(this.#thread(i));
  }

  #thread(i: number): Thread {
    const { node, sliceBytes } = this.#options;
    return new Thread(node, { sliceBytes }, (cause) => void this.#replace(i, cause));
  }

  /** Ports of the workers. */
  get ports(): number[] {
    return this.#threads.map(({ port }) => port);
  }

  /** Where rankers reach it. */
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
    const shared = { host, security, allowOrigin, allowHosts, stuckMs };
    const own = { ...shared, port: this.#threads[i].port || (port === 0 ? 0 : port + i) };
    const common: ListenerOptions | undefined =
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

  /** A worker has died: what it held has failed with its connections; another takes its port and its slots. */
  async #replace(i: number, cause: unknown): Promise<void> {
    if (this.#closing) return;
    const port = this.#threads[i].port;
    this.#options.log?.warn({ worker: i, port, err: cause }, 'a worker died; starting another');
    await new Promise((done) => setTimeout(done, workerRestartMsMin));
    if (this.#closing) return;
    const thread = this.#thread(i);
    thread.port = port;
    this.#threads[i] = thread;
    try {
      await this.#listen(i);
      if (this.#hostings.length > 0) await this.#host(i);
      this.#options.log?.info({ worker: i, port }, 'the worker serves again');
    } catch (error) {
      // Its end, if it has one, brings us here again.
      this.#options.log?.warn({ worker: i, port, err: error }, 'the worker could not be started');
      await thread.end();
    }
  }

  /** Ends a worker at once, as if it had died. */
  async killWorker(i: number): Promise<void> {
    await this.#threads[i].end();
  }

  /** What each worker has done since it was started; one that is being replaced has done nothing. */
  async stats(): Promise<WorkerStats[]> {
    return await Promise.all(this.#threads.map((thread) => thread.stats()));
  }

  /** Answers what it holds, and ends. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map((thread) => thread.drain()));
    if (this.#hostings.length > 0) this.#options.log?.info({ workers: await this.stats() }, 'drained');
    await Promise.all(this.#threads.map((thread) => thread.end()));
    this.#tables?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** One worker thread, and the way to control it. */
class Thread {
  readonly #control: Comlink.Remote<WorkerControl>;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  port = 0;

  constructor(name: string, tuning: MemoryNodeTuning, onDeath: (cause: unknown) => void) {
    const file = `./memory-node-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;
    this.#worker = startWorker(new URL(file, import.meta.url), { name, tuning });
    this.#control = Comlink.wrap<WorkerControl>(nodeEndpoint(this.#worker));
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#ended = once(this.#worker, 'exit').then(() => onDeath(cause));
  }

  async listen(own: ListenerOptions, common: ListenerOptions | undefined): Promise<void> {
    const call = this.#control.listen(own, common).catch((cause: Error) => {
      throw cannotListen(cause, own);
    });
    this.port = resultOf(await this.#orDeath(call));
  }

  async host(hosting: Hosting, ports: readonly number[], rdma: RdmaServing | undefined): Promise<void> {
    resultOf(await this.#orDeath(this.#control.host(hosting, ports, rdma)));
  }

  /** A control call never returns from a worker that has died. */
  async #orDeath<T>(call: Promise<T>): Promise<T> {
    const died = this.#ended.then(() => {
      throw new FlexemrError('WORKER_FAILED', 'a worker thread of the memory node ended while it started');
    });
    return await Promise.race([call, died]);
  }

  async stats(): Promise<WorkerStats> {
    const none = { subrequests: 0, keys: 0, errors: 0, refused: 0, busyUs: 0, held: 0 };
    return await Promise.race([this.#control.stats(), this.#ended.then(() => none)]);
  }

  async drain(): Promise<void> {
    await Promise.race([this.#control.drain(), this.#ended]);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A thread is refused at once where the system has no descriptor or memory for it. @throws WORKER_FAILED */
function startWorker(file: URL, workerData: object): Worker {
  try {
    return new Worker(file, { workerData });
  } catch (cause) {
    const message = `cannot start a worker thread: ${(cause as Error).message}. Start fewer workers, or raise ulimit -n.`;
    throw new FlexemrError('WORKER_FAILED', message, { field: 'workers', cause });
  }
}

/** @throws INVALID_OPTION */
function checkPorts(port: number, workers: number): void {
  const last = port === 0 ? 0 : port + workers - 1;
  if (Number.isInteger(port) && port >= 0 && last <= portMax) return;
  const message = `port = ${show(port)} must be 0, or an integer that leaves each of ${workers} workers one up to ${portMax}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'port', value: port });
}

/** What a server does not take: of such an error only its name and message get here. */
function cannotListen(cause: Error, { host, port }: ListenerOptions): FlexemrError {
  const message = `cannot listen on ${host}:${port}: ${cause.message}. Check the certificate and its key.`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'port', value: port, cause });
}
