import { callback, check, named } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { deadlineMsDefault, retryReserve, retryShareMax } from '../limits.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { Workspace } from '../lookup/workspace.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { planText } from '../plan/fingerprint.ts';
import { FollowedRouting } from '../plan/followed-routing.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { hedgeReserve, hedgeShareMax } from '../replica-limits.ts';
import type { UpdatedKeys } from '../updates/updated-keys.ts';
import type { Span, Tracer } from '../wire/trace.ts';
import type { AdaptiveCache } from './adaptive-cache.ts';
import { AttemptBudget } from './attempt-budget.ts';
import { cacheChoices } from './cache-options.ts';
import { type CacheSize, cacheBytes, cacheSize } from './cache-size.ts';
import { CachedTables } from './cached-tables.ts';
import { closed } from './closed-ranker.ts';
import { Deadline, Deadlines, turn } from './deadline.ts';
import type { SubrequestEnd } from './fan-out-terms.ts';
import { FreshKeys } from './fresh-keys.ts';
import { LateClock } from './late-clock.ts';
import { type LookupContext, type LookupRequest, lookUp } from './lookup.ts';
import { checkLookupOptions, type LookupOptions, noOptions } from './lookup-options.ts';
import type { NodeStatus } from './node-client.ts';
import type { CacheMemoryBytes, Ranker, RankerStats } from './ranker.ts';
import { hasCache, type RankerOptions } from './ranker-options.ts';
import { workspaceOf } from './ranker-workspace.ts';
import { ReleasedMemories } from './released-memories.ts';
import { ReplacedRoutes } from './replaced-routes.ts';
import { Route } from './route.ts';

/** A ranker whose lookups are all done by its own thread. */
export class InlineRanker implements Ranker {
  readonly #options: RankerOptions;
  readonly #context: LookupContext;
  readonly #updatedKeys: UpdatedKeys | undefined;
  #route: Route;
  readonly #replaced = new ReplacedRoutes();
  /** The plan that was told last. */
  #toldPlan: bigint | undefined;
  readonly #followed: FollowedRouting;
  #closed = false;
  readonly #underWay = new Deadlines();
  /** The last change of the size of the cache. */
  #resizing: Promise<void> = Promise.resolve();
  readonly #released = new ReleasedMemories();

  /**
   * Reads the routing table and connects to the nodes: every one that is there, and at least one for each shard.
   * @param options already checked @throws INVALID_ROUTING, UNAVAILABLE, UNAUTHORIZED
   */
  static async open(options: RankerOptions): Promise<InlineRanker> {
    const routing = await options.routing.read();
    const isFollowed = routing.tables.some(({ updates }) => updates) && hasCache(options);
    const updatedKeys = isFollowed ? await options.updatedKeys?.() : undefined;
    let ranker: InlineRanker;
    try {
      ranker = new InlineRanker(options, routing, updatedKeys);
    } catch (error) {
      await updatedKeys?.close();
      throw error;
    }
    const connected = Promise.all(ranker.#route.states.map((set) => set.connect()));
    try {
      if (options.awaitNodes === false) connected.catch(() => {});
      else await connected;
      ranker.#route.checkContents();
      ranker.#tellPlan();
      return ranker;
    } catch (error) {
      await ranker.close();
      throw error;
    }
  }

  private constructor(options: RankerOptions, routing: RoutingTable, updatedKeys: UpdatedKeys | undefined) {
    this.#options = options;
    this.#updatedKeys = updatedKeys;
    const { pushDown = 'auto', deduplicateBags = true, checksums = true, hedge = true, tracer } = options;
    this.#context = {
      budget: new AttemptBudget(retryShareMax, retryReserve),
      hedges: hedge ? new AttemptBudget(hedgeShareMax, hedgeReserve) : undefined,
      clock: new LateClock(),
      ...{ pushDown, deduplicateBags, checksums, tracer },
      fresh: updatedKeys && new FreshKeys((error) => options.onRoutingError?.(error)),
      onSubrequest: undefined,
      stats: {
        ...{ lookups: 0, subrequests: 0, retries: 0, hedged: 0, hedgesWon: 0 },
        ...{ segmentsPushed: 0, segmentsFetched: 0, bagsRepeated: 0 },
      },
    };
    const specs = routing.tables.map(({ spec }) => spec);
    const choices = cacheChoices(options.cache ?? 'off', specs);
    const cached = new CachedTables(routing, choices, updatedKeys !== undefined);
    const bytes = options.adaptive?.floorBytes ?? cacheBytes(choices.size, specs);
    const workspace = workspaceOf(options, cached, bytes);
    this.#route = new Route(routing, options, workspace, cached);
    workspace.openCache(this.#route.plan);
    this.#follow(workspace);
    if (this.#context.fresh !== undefined) updatedKeys?.listen(this.#context.fresh);
    this.#followed = new FollowedRouting(
      options.routing,
      (changed) => this.#reroute(changed),
      (error) => options.onRoutingError?.(error),
    );
  }

  /** Entries of tables that take updates follow them. @param before the workspace whose entries it takes over */
  #follow({ keyTicks }: Workspace, before?: Workspace): void {
    const { fresh } = this.#context;
    fresh?.use(this.#route.followed.values());
    if (keyTicks !== undefined) fresh?.add(keyTicks, before?.keyTicks);
  }

  /** Lookups that begin from now on use the changed table; lookups in flight keep the table that they began with. */
  #reroute(routing: RoutingTable): void {
    if (this.#closed) return;
    try {
      const before = this.#route;
      const { workspace } = before;
      const cached = before.cached.next(routing);
      this.#route = new Route(routing, this.#options, workspace, cached, before);
      workspace.pin(this.#route.plan);
      this.#context.fresh?.use(this.#route.followed.values());
      this.#replaced.add(before, () => this.#route, this.#tellPlan);
    } catch (error) {
      this.#options.onRoutingError?.(error as Error);
    }
  }

  /** Lookups that began before the last change of the routing table may still use an older one. */
  readonly #tellPlan = (): void => {
    const plan = this.#replaced.oldestPlan ?? this.#route.fingerprint;
    if (plan === this.#toldPlan || this.#closed) return;
    this.#toldPlan = plan;
    this.#options.onPlan?.(planText(plan));
  };

  async resizeCache(size: CacheSize): Promise<void> {
    const bytes = cacheBytes(check(cacheSize, size, 'cache'), this.specs);
    const resized = this.#resizing.then(() => this.#resize(bytes));
    this.#resizing = resized.catch(() => {});
    await resized;
  }

  async #resize(bytes: number): Promise<void> {
    if (this.#closed) throw closed();
    const { workspace: old, plan, cached: now } = this.#route;
    if (old.cacheBytes === bytes) return;
    if (old.canGrow(bytes)) {
      for (const _ of old.grow(bytes)) await turn();
      return;
    }
    const workspace = workspaceOf(this.#options, now, bytes);
    workspace.openCache(plan);
    this.#follow(workspace, old);
    for (const _ of workspace.adopt(old)) await turn();
    // The routing table may have changed meanwhile. Entries of its tables are found by the same numbers.
    const before = this.#route;
    const { routing, cached } = before;
    this.#route = new Route(routing, this.#options, workspace, cached, before);
    workspace.pin(before.plan);
    this.#release(before);
  }

  /** The memory of a route is no longer used, once its last lookup has ended. */
  #release(route: Route): void {
    const { keyTicks, cacheBytes: bytes } = route.workspace;
    const memory = this.#released.add(route.workspace, bytes);
    const onUnused = (): void => {
      if (keyTicks !== undefined) this.#context.fresh?.delete(keyTicks);
      this.#options.collect?.(memory);
      this.#tellPlan();
    };
    this.#replaced.add(route, () => this.#route, onUnused);
  }

  get adaptiveCache(): AdaptiveCache | undefined {
    return this.#options.adaptive;
  }

  get specs(): TableSpec[] {
    return this.#route.plan.tables.map(({ spec }) => spec);
  }

  get nodes(): NodeStatus[] {
    return [...this.#route.nodes.values()].map(({ status }) => status);
  }

  async checkNodes(): Promise<NodeStatus[]> {
    await Promise.allSettled([...this.#route.nodes.values()].map((node) => node.connect()));
    return this.nodes;
  }

  observe(onSubrequest: (end: SubrequestEnd) => void): void {
    this.#context.onSubrequest = check(
      callback<(end: SubrequestEnd) => void>(),
      onSubrequest,
      'onSubrequest',
    );
  }

  get stats(): RankerStats {
    const { workspace, replies } = this.#route;
    const cache = { cache: workspace.cacheStats, cacheReleasedBytes: this.#released.bytes };
    return { ...this.#context.stats, ...cache, ...replies.stats, ...this.#options.transport.traffic() };
  }

  get cacheMemory(): CacheMemoryBytes {
    const { cacheBytes: bytes, cacheTouchedBytes: touchedBytes } = this.#route.workspace;
    return { bytes, touchedBytes, releasedBytes: this.#released.bytes };
  }

  async lookup(bags: KeyedBags, options: LookupOptions = noOptions): Promise<Lookup> {
    if (this.#closed) throw closed();
    const checked = checkLookupOptions(options);
    const { deadline: ms = deadlineMsDefault, signal, trace } = checked;
    check(named, bags, 'bags', 'INVALID_BAGS');
    using deadline = new Deadline(ms, signal);
    if (deadline.over) throw deadline.over;
    const { tracer } = this.#context;
    const span = tracer && begun(tracer, bags, trace);
    const request = { bags, options: checked, deadline, span };
    const route = this.#route;
    this.#underWay.add(deadline);
    route.begin();
    try {
      route.checkContents();
      const found = await lookUp(request, route, this.#context);
      span?.end();
      return found;
    } catch (error) {
      return await this.#lookUpAgain(request, route, error as Error);
    } finally {
      route.end();
      this.#underWay.delete(deadline);
    }
  }

  /**
   * A lookup has failed. If the nodes serve another plan, reads the routing table again, and retries if it has changed.
   * @throws the last error
   */
  async #lookUpAgain(request: LookupRequest, route: Route, error: Error): Promise<Lookup> {
    const { span, deadline } = request;
    let changed: Route | undefined;
    try {
      if (!(error instanceof FlexemrError) || error.code !== 'STALE_ROUTING') throw error;
      // A cache of another size is another route, too, but has the same plan.
      if (this.#route.fingerprint === route.fingerprint) await deadline.wait(this.#followed.read());
      if (this.#route.fingerprint === route.fingerprint) throw error;
      if (deadline.over) throw deadline.over;
      changed = this.#route;
      changed.begin();
      const found = await lookUp(request, changed, this.#context);
      span?.end();
      return found;
    } catch (last) {
      span?.end(last as Error);
      throw last;
    } finally {
      changed?.end();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#followed.close();
    this.#underWay.end(closed);
    await Promise.all([...this.#route.nodes.values(), ...this.#replaced.nodes].map((node) => node.close()));
    this.#context.clock.close();
    await this.#updatedKeys?.close();
    await this.#options.transport.close();
    await this.#options.onClosed?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Begins the span of a lookup. */
function begun(tracer: Tracer, bags: KeyedBags, trace = tracer.active()): Span {
  return tracer.start('lookup', trace, { attributes: { 'flexemr.features': Object.keys(bags).length } });
}
