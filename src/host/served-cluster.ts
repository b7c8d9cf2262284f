import { releaseHostTries, releaseHostTryMs, releaseRetryMs } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import { emptyUpdates, type NodeUpdatesStats } from '../memory-node/node-updates.ts';
import { type Cluster, namedReleases, type Release } from '../plan/cluster.ts';
import type { ClusterSource } from '../plan/cluster-store.ts';
import { planName } from '../plan/fingerprint.ts';
import type { LoadProgress } from '../store/load.ts';
import type { TableFile, TableSource } from '../store/table-file.ts';
import type { DeviceChoice } from '../transport/rdma/device-choice.ts';
import type { ReadableRelease } from '../transport/rdma/handshake.ts';
import type { ReleaseStatus } from '../wire/handler.ts';
import type { LoadedReleases, NodeOptions } from './loaded-releases.ts';
import { RegisteredTables } from './registered-tables.ts';
import type { RowsFollower } from './rows-follower.ts';
import type { RdmaServing, Serving } from './worker-control.ts';

export interface ServedClusterOptions extends NodeOptions {
  /** The tables of releases that do not say where theirs are. */
  readonly tables: TableSource;
  readonly rdma?: DeviceChoice | undefined;
  readonly log?: Log | undefined;
}

/** The workers of a node. */
export interface Workers {
  /** Tells all of them what is served now. @throws if one of them cannot serve it now */
  host(): Promise<unknown>;
  /** Waits until none of them uses the rows of releases that are no longer served. @throws WORKER_FAILED */
  unused(): Promise<unknown>;
}

/** A release of the cluster in which the node has a place, and the fingerprint of its routing table. */
interface WantedRelease extends Release {
  readonly plan: string;
  readonly isNext: boolean;
}

/** What a node serves of a cluster: releases are loaded beside those that are served, and freed when the cluster leaves them out. */
export class ServedCluster {
  readonly #options: ServedClusterOptions;
  readonly #releases: LoadedReleases;
  readonly #workers: Workers;
  readonly #updates: RowsFollower | undefined;
  #registered: RegisteredTables | undefined;
  /** Fingerprints of the served releases, the current one first. */
  #served: readonly string[] = [];
  #loading: string | undefined;
  /** Why releases could not be loaded, by their fingerprints. */
  readonly #problems = new Map<string, string>();
  #wanted: readonly WantedRelease[] = [];
  /** What workers say of the next release. */
  #next: string | null | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};
  #closed = false;

  /** @param options already checked @param updates undefined: no rows change */
  constructor(
    options: ServedClusterOptions,
    workers: Workers,
    releases: LoadedReleases,
    updates?: RowsFollower,
  ) {
    this.#options = options;
    this.#workers = workers;
    this.#releases = releases;
    this.#updates = updates;
  }

  /** Loads the first release. The workers are told by the caller. @throws as LoadedReleases.load */
  async start(release: Release, onProgress?: (progress: LoadProgress) => void): Promise<void> {
    const { rdma } = this.#options;
    const plan = await this.#releases.load(this.#sourceOf(release), { onProgress });
    await this.#follow();
    if (rdma !== undefined) {
      this.#registered = await RegisteredTables.open(rdma);
      this.#registered.register(this.#hostings(plan)[0]);
    }
    this.#served = [plan];
  }

  /** Waits until the rows of all loaded releases have what the log of updates has. @throws INVALID_OPTION; as RowsFollower.caughtUp */
  async #follow(): Promise<void> {
    const hosting = this.#releases.updatesOf(this.#releases.plans);
    const [updated] = hosting.shards;
    if (this.#updates === undefined && updated !== undefined) throw noLog(updated.table);
    await this.#updates?.host(hosting);
    await this.#updates?.caughtUp();
  }

  /** What was done with row updates. */
  async updates(): Promise<NodeUpdatesStats> {
    return (await this.#updates?.stats()) ?? emptyUpdates;
  }

  get isLoaded(): boolean {
    return this.#served.length > 0;
  }

  /** The releases that it has, loads, or could not load. */
  get releases(): ReleaseStatus[] {
    return [...this.#served.map((plan) => ({ plan, state: 'ready' }) as const), ...this.#coming];
  }

  get held(): LoadedReleases['held'] {
    return this.#releases.held;
  }

  /** What a worker is to serve. */
  serving(worker: number): Omit<Serving, 'ports'> {
    const [current, ...others] = this.#served.map((plan) => this.#hostings(plan)[worker]);
    const registered = this.#registered;
    const release = (hosting: Hosting): ReadableRelease => (registered as RegisteredTables).release(hosting);
    const rdma: RdmaServing | undefined = registered && {
      device: registered.device,
      releases: [release(current), ...others.map(release)],
    };
    return { hostings: [current, ...others], coming: this.#coming, next: this.#next, rdma };
  }

  #hostings(plan: string): Hosting[] {
    return this.#releases.hostings(plan);
  }

  get #coming(): ReleaseStatus[] {
    const failed = [...this.#problems].map(
      ([plan, problem]) => ({ plan, state: 'failed', problem }) as const,
    );
    return this.#loading === undefined ? failed : [{ plan: this.#loading, state: 'loading' }, ...failed];
  }

  /** The tables of another release are listed as the node's own are. Its token is for its own server only. */
  #sourceOf({ routing, tables }: Release): { routing: Release['routing']; tables: TableSource } {
    const own: TableFile =
      typeof this.#options.tables === 'string' ? { file: this.#options.tables } : this.#options.tables;
    if (tables === undefined) return { routing, tables: own };
    const token = originOf(tables) === originOf(own.file) ? own.token : undefined;
    return { routing, tables: { file: tables, list: own.list, token } };
  }

  /** Serves the releases of a cluster from now on, as they come and go. @param cluster as it was read last */
  follow(source: ClusterSource, cluster: Cluster): void {
    const changed = (current: Cluster): void => {
      this.#wanted = namedReleases(current, this.#options.node).map((release) => {
        return { ...release, plan: planName(release.routing), isNext: release === current.next };
      });
      this.#work();
    };
    const failed = (error: Error): void => this.#warn(error, 'the cluster cannot be read');
    this.#unwatch = source.watch(changed, failed);
    changed(cluster);
  }

  /** One change at a time, and the newest one next. */
  #work(): void {
    if (this.#closed || this.#working !== undefined) return;
    clearTimeout(this.#retry);
    const wanted = this.#wanted;
    this.#working = this.#apply(wanted)
      .catch((error: Error) => {
        this.#warn(error, 'the node does not serve the whole cluster yet; trying again');
        this.#retry = setTimeout(() => this.#work(), releaseRetryMs * (0.5 + Math.random())).unref();
      })
      .finally(() => {
        this.#working = undefined;
        if (this.#wanted !== wanted) this.#work();
      });
  }

  async #apply(wanted: readonly WantedRelease[]): Promise<void> {
    const plans = wanted.map(({ plan }) => plan);
    this.#next = wanted.find(({ isNext }) => isNext)?.plan ?? null;
    for (const plan of this.#problems.keys()) if (!plans.includes(plan)) this.#problems.delete(plan);
    // What is not wanted any more makes room first.
    await this.#serve(plans);
    let failure: unknown;
    for (const release of wanted) {
      if (this.#releases.has(release.plan)) {
        this.#releases.moved(release.plan, this.#sourceOf(release).tables);
        continue;
      }
      try {
        await this.#load(release);
      } catch (error) {
        failure ??= error;
      }
    }
    await this.#serve(plans);
    if (failure !== undefined) throw failure;
  }

  async #load(release: WantedRelease): Promise<void> {
    const { plan } = release;
    const { log } = this.#options;
    const began = performance.now();
    this.#loading = plan;
    this.#problems.delete(plan);
    try {
      await this.#tell();
      // One thread, because the workers need the processors. A load that nobody wants any more ends at its next piece.
      const onProgress = (): void => this.#checkWanted(plan);
      await this.#releases.load(this.#sourceOf(release), { besideLookups: true, onProgress });
      await this.#follow();
      this.#registered?.register(this.#hostings(plan)[0]);
      log?.info({ plan, ms: Math.round(performance.now() - began), ...this.held }, 'a release is loaded');
    } catch (error) {
      await this.#free(plan);
      if (!isUnwanted(error)) this.#problems.set(plan, (error as Error).message);
      throw error;
    } finally {
      this.#loading = undefined;
    }
  }

  #checkWanted(plan: string): void {
    if (this.#closed || !this.#wanted.some((release) => release.plan === plan)) throw unwanted(plan);
  }

  /** Serves those of the wanted releases that are loaded, if there are any, and frees all others. */
  async #serve(wanted: readonly string[]): Promise<void> {
    const loaded = wanted.filter((plan) => this.#releases.has(plan));
    if (loaded.length > 0) this.#served = loaded;
    await this.#tell();
    const gone = this.#releases.plans.filter((plan) => !this.#served.includes(plan));
    if (gone.length === 0) return;
    await this.#workers.unused();
    for (const plan of gone) {
      this.#registered?.deregister(plan);
      await this.#free(plan);
      this.#options.log?.info({ plan, ...this.held }, 'a release is freed');
    }
  }

  /** Nobody writes to rows that are freed. */
  async #free(plan: string): Promise<void> {
    const others = this.#releases.plans.filter((other) => other !== plan);
    await this.#updates?.host(this.#releases.updatesOf(others));
    this.#releases.free(plan);
  }

  /** A worker that has died is replaced meanwhile, and one whose slots are all in use has some later. */
  async #tell(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#workers.host();
        return;
      } catch (error) {
        if (tries === releaseHostTries || this.#closed) throw error;
        await new Promise((done) => setTimeout(done, releaseHostTryMs));
      }
    }
  }

  #warn(error: Error, message: string): void {
    if (!this.#closed && !isUnwanted(error)) this.#options.log?.warn({ err: error }, message);
  }

  /** Ends the watch. A load that is under way ends soon. */
  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#unwatch();
    await this.#working;
  }

  /** READs of its rows fail afterwards. */
  async close(): Promise<void> {
    await this.#updates?.close();
    this.#registered?.close();
  }
}

function noLog(table: string): FlexemrError {
  const message = `table ${table} takes row updates, but the node was started without updates: say where they come from`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'updates' });
}

function originOf(file: string): string | undefined {
  return URL.parse(file)?.origin;
}

const loadEnded = 'CANCELLED';

function unwanted(plan: string): FlexemrError {
  return new FlexemrError(loadEnded, `release ${plan} is no longer wanted`, { field: 'cluster' });
}

function isUnwanted(error: unknown): boolean {
  return error instanceof FlexemrError && error.code === loadEnded;
}
