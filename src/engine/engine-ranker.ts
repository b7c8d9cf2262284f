import { callback, check, named } from '../check.ts';
import { replyBudgetBytesDefault, replyBudgetBytesMin } from '../credit-limits.ts';
import { engineGraceMs, ownConnectionsMax } from '../engine-limits.ts';
import { errorOf, failureOf } from '../failure.ts';
import { cacheBytesMin, deadlineMsDefault } from '../limits.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { FollowedRouting } from '../plan/followed-routing.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { CacheOptions } from '../ranker/cache-options.ts';
import { type CacheSize, cacheBytes, cacheSize } from '../ranker/cache-size.ts';
import { closed } from '../ranker/closed-ranker.ts';
import { Deadline, Deadlines } from '../ranker/deadline.ts';
import type { SubrequestEnd } from '../ranker/fan-out-terms.ts';
import { checkLookupOptions, type LookupOptions, noOptions } from '../ranker/lookup-options.ts';
import type { NodeStatus } from '../ranker/node-client.ts';
import type { CacheMemoryBytes, Ranker, RankerStats } from '../ranker/ranker.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import { AgreedPlan } from './agreed-plan.ts';
import type { EngineEvents, EngineOptions, EngineThreads } from './engine-control.ts';
import type { EngineLink, LinkRequest, LinkShared } from './engine-link.ts';
import { type EngineSizes, engineSizes } from './engine-sizes.ts';
import { cacheMemoryOf, sumOfStats } from './engine-stats.ts';
import { EngineTeam } from './engine-team.ts';
import { noTextOptions, type TextOptions } from './request-head.ts';
import { Shapes } from './shapes.ts';
import { unsendable } from './unsendable-bags.ts';

export interface EngineRankerOptions extends EngineOptions {
  readonly routing: RoutingSource;
  readonly engines: number;
  /** Memory that they share. Default: engineSizes. */
  readonly sizes?: EngineSizes | undefined;
  /** Connections that all engines together have for themselves. More are shared out among them. Default: `ownConnectionsMax`. */
  readonly ownConnections?: number | undefined;
  readonly onRoutingError?: ((error: Error) => void) | undefined;
  /** Called with the fingerprint of the plan that the lookups of all engines use, and whenever it is another. */
  readonly onPlan?: ((plan: string) => void) | undefined;
  /** Called when all engines have ended. */
  readonly onClosed?: (() => Promise<void>) | undefined;
}

/** A ranker whose lookups are done by other threads, its engines. */
export class EngineRanker implements Ranker {
  readonly #options: EngineRankerOptions;
  readonly #threads: EngineThreads;
  readonly #shared: Omit<LinkShared, 'shapes'> = {
    pool: new BufferPool(),
    explain: (bags, cause) => unsendable(bags, this.#routing, cause),
  };
  readonly #underWay = new Deadlines();
  #routing: RoutingTable;
  readonly #followed: FollowedRouting;
  #team: EngineTeam | undefined;
  #starting: Promise<EngineTeam> | undefined;
  #nodes: NodeStatus[] = [];
  readonly #plan: AgreedPlan;
  #onSubrequest: ((end: SubrequestEnd) => void) | undefined;
  #closed = false;
  /** What engines had counted that have ended. */
  readonly #ended: Float64Array[] = [];

  /** @throws INVALID_ROUTING, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY, WORKER_FAILED */
  static async open(options: EngineRankerOptions, threads: EngineThreads): Promise<EngineRanker> {
    const ranker = new EngineRanker(options, threads, await options.routing.read());
    try {
      await ranker.#started();
    } catch (error) {
      await ranker.close();
      throw error;
    }
    return ranker;
  }

  private constructor(options: EngineRankerOptions, threads: EngineThreads, routing: RoutingTable) {
    this.#options = options;
    this.#threads = threads;
    this.#routing = routing;
    this.#plan = new AgreedPlan(options.engines, options.onPlan);
    this.#followed = new FollowedRouting(
      options.routing,
      (changed) => this.#reroute(changed),
      (error) => options.onRoutingError?.(error),
    );
  }

  #reroute(routing: RoutingTable): void {
    this.#routing = routing;
    for (const { control } of this.#team?.links ?? []) control.reroute(routing);
  }

  /** The engines. They start again if one has ended. */
  #started(): Promise<EngineTeam> {
    this.#starting ??= this.#startAll().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startAll(): Promise<EngineTeam> {
    const { engines, sizes = engineSizes(engines), ownConnections: own = ownConnectionsMax } = this.#options;
    const { pushDown, deduplicateBags, checksums, hedge, replyBytes, cache } = this.#options;
    const routing = this.#routing;
    const options = {
      // Other nodes go on serving when one is away, also after an engine has ended.
      awaitNodes: this.#ended.length === 0,
      ...{ pushDown, deduplicateBags, checksums, hedge },
      cache: this.#share(cache),
      replyBytes: partOf(replyBytes, engines),
    };
    const team: EngineTeam = await EngineTeam.start(
      { engines, sizes, ownConnections: Math.floor(own / engines), routing, options },
      {
        ...this.#shared,
        // New engines know none.
        shapes: new Shapes(),
        threads: this.#threads,
        events: this.#events,
        onPlan: (place, plan) => this.#plan.uses(place, plan),
        onEnd: (error) => this.#lost(team, error),
      },
    );
    if (this.#closed) {
      await team.close(closed());
      throw closed();
    }
    for (const { control } of team.links) {
      if (this.#onSubrequest !== undefined) control.observe();
      // It has changed while they started.
      if (this.#routing !== routing) control.reroute(this.#routing);
    }
    this.#team = team;
    return team;
  }

  /** An engine has ended, so all of them start again. */
  #lost(team: EngineTeam, error: Error): void {
    if (this.#team !== team) return;
    this.#team = undefined;
    this.#ended.push(...team.links.map(({ stats }) => stats.slice()));
    team.lost(error);
    if (this.#closed) return;
    // A failure to start shows at the next lookup.
    this.#started().catch(() => {});
  }

  readonly #events: Omit<EngineEvents, 'answered' | 'failed' | 'plan'> = {
    readRouting: () =>
      this.#followed.read().then(
        () => ({ routing: this.#routing }),
        (error) => ({ failure: failureOf(error) }),
      ),
    routingFailed: (failure) => this.#options.onRoutingError?.(errorOf(failure)),
    nodes: (nodes) => {
      this.#nodes = [...nodes];
    },
    subrequests: (ends) => {
      for (const end of ends) this.#onSubrequest?.(end);
    },
  };

  lookup(bags: KeyedBags, options: LookupOptions = noOptions): Promise<Lookup> {
    try {
      if (this.#closed) throw closed();
      const checked = checkLookupOptions(options);
      check(named, bags, 'bags', 'INVALID_BAGS');
      const { deadline: ms = deadlineMsDefault, signal } = checked;
      // Most lookups only wait for their engine, which ends them at their deadline.
      if (signal === undefined && this.#team !== undefined)
        return this.#team.idlest.begin(requestOf(bags, checked, ms)).found;
      return this.#wait(bags, checked, ms);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A lookup that may have to wait for engines to start, or that its caller may cancel. */
  async #wait(bags: KeyedBags, options: LookupOptions, ms: number): Promise<Lookup> {
    // The engine says more about a deadline that passes. It may only be late.
    using deadline = new Deadline(ms + engineGraceMs, options.signal);
    if (deadline.over) throw deadline.over;
    this.#underWay.add(deadline);
    try {
      const team = this.#team ?? (await deadline.wait(this.#started()));
      const left = Math.max(0, deadline.leftMs - engineGraceMs);
      const link = team.idlest;
      const { id, found } = link.begin(requestOf(bags, options, left));
      return await deadline.wait(found, () => link.cancel(id));
    } finally {
      this.#underWay.delete(deadline);
    }
  }

  get specs(): TableSpec[] {
    return this.#routing.tables.map(({ spec }) => spec);
  }

  get nodes(): NodeStatus[] {
    return this.#nodes;
  }

  get #links(): readonly EngineLink[] {
    return this.#team?.links ?? [];
  }

  get stats(): RankerStats {
    return sumOfStats([...this.#ended, ...this.#links.map(({ stats }) => stats)]);
  }

  get cacheMemory(): CacheMemoryBytes {
    return cacheMemoryOf(this.stats);
  }

  /** The memory of a scorer's networks is not weighed against caches of several threads. */
  get adaptiveCache(): undefined {
    return undefined;
  }

  async checkNodes(): Promise<NodeStatus[]> {
    const [link] = (await this.#running()).links;
    this.#nodes = await link.control.checkNodes();
    return this.#nodes;
  }

  async #running(): Promise<EngineTeam> {
    if (this.#closed) throw closed();
    return this.#team ?? (await this.#started());
  }

  async resizeCache(size: CacheSize): Promise<void> {
    const share = this.#shareOf(check(cacheSize, size, 'cache'));
    const { links } = await this.#running();
    const failures = await Promise.all(links.map(({ control }) => control.resizeCache(share)));
    const failure = failures.find(Boolean);
    if (failure !== undefined) throw errorOf(failure);
  }

  /** The part of a cache that each engine has. */
  #share(cache: CacheSize | CacheOptions | undefined): CacheSize | CacheOptions | undefined {
    if (typeof cache !== 'object') return cache === undefined ? undefined : this.#shareOf(cache);
    return { ...cache, size: cache.size === undefined ? undefined : this.#shareOf(cache.size) };
  }

  #shareOf(size: CacheSize): number {
    const bytes = cacheBytes(size, this.specs);
    return bytes === 0 ? 0 : Math.max(cacheBytesMin, Math.floor(bytes / this.#options.engines));
  }

  observe(onSubrequest: (end: SubrequestEnd) => void): void {
    const listening = this.#onSubrequest !== undefined;
    this.#onSubrequest = check(callback<(end: SubrequestEnd) => void>(), onSubrequest, 'onSubrequest');
    if (!listening) for (const { control } of this.#links) control.observe();
  }

  /** Which engine owns each connection. @internal */
  get owners(): ReadonlyMap<number, number> {
    const states = this.#team?.connections.states() ?? new Map();
    return new Map([...states].map(([connection, { owner }]) => [connection, owner]));
  }

  /** Lets another engine own a connection. @internal */
  async move(connection: number, to: number): Promise<void> {
    await (await this.#running()).move(connection, to);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#followed.close();
    this.#underWay.end(closed);
    await this.#starting?.catch(() => {});
    await this.#team?.close(closed());
    await this.#options.onClosed?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @param ms milliseconds until the deadline */
function requestOf(bags: KeyedBags, options: LookupOptions, ms: number): LinkRequest {
  const deadlineAt = performance.timeOrigin + performance.now() + ms;
  return { bags, options: textOptions(options), deadlineAt, cancellable: options.signal !== undefined };
}

/** Most lookups have no options but a deadline. */
function textOptions({ onMissing, onFailure, trace, atLeast }: LookupOptions): TextOptions {
  if ((onMissing ?? onFailure ?? trace ?? atLeast) === undefined) return noTextOptions;
  return { onMissing, onFailure, trace, atLeast };
}

/** Memory for replies that each engine has. */
function partOf(bytes = replyBudgetBytesDefault, engines: number): number {
  return Math.max(replyBudgetBytesMin, Math.floor(bytes / engines));
}
