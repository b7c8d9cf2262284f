import { engineLookUsMax } from '../engine-limits.ts';
import { errorOf, type Failure, failureOf } from '../failure.ts';
import type { PooledLookup } from '../lookup/pooled.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import type { SubrequestEnd } from '../ranker/fan-out-terms.ts';
import type { LookupOptions } from '../ranker/lookup-options.ts';
import type { NodeStatus } from '../ranker/node-client.ts';
import type { Ranker } from '../ranker/ranker.ts';
import { BagsViews } from './bags-views.ts';
import type { Bell } from './bell.ts';
import { Borrowed } from './borrowed.ts';
import type { EngineControl, EngineEvents, SentLookup } from './engine-control.ts';
import { cancelRecord, type EngineMemory, lookupRecord, releaseRecord } from './engine-memory.ts';
import { writeStats } from './engine-stats.ts';
import type { PartitionedTransport } from './partitioned-transport.ts';
import { Patience } from './patience.ts';
import { readHead } from './request-head.ts';
import { resultsBytes, writeResults } from './results-frame.ts';
import { type Shape, shapeOf } from './shapes.ts';

/** How often an engine says how subrequests have ended, and whether nodes answer. */
const reportMs = 50;

/** What an engine is connected by. */
export interface EngineParts {
  readonly memory: EngineMemory;
  /** Wakes the application. */
  readonly application: Bell;
  readonly transport: PartitionedTransport;
  /** How long it may look for work before it sleeps, in microseconds. */
  readonly spinUsMax: number;
  /** Milliseconds that its thread has been busy so far, with those in which it looked for work. */
  readonly activeMs: () => number;
}

/** One thread that does lookups for an application: it takes bags from shared memory, and leaves results there. */
export class Engine implements EngineControl {
  readonly #memory: EngineMemory;
  readonly #application: Bell;
  readonly #ranker: Ranker;
  readonly #events: EngineEvents;
  readonly #source: EngineRouting;
  readonly #transport: PartitionedTransport;
  readonly #activeMs: () => number;
  /** Milliseconds in which it looked for work, and found none. */
  #idleMs = 0;
  #lookedAt = 0;
  readonly #results: Borrowed;
  readonly #shapes: Shape[] = [];
  readonly #bags: BagsViews;
  /** Of the lookups that may be cancelled. */
  readonly #cancels = new Map<number, AbortController>();
  readonly #reports: NodeJS.Timeout;
  #ends: SubrequestEnd[] = [];
  #nodes = '';
  /** How long it waits for work once it was asked for something, and once it has answered: these are different. */
  readonly #askedPatience: Patience;
  readonly #answeredPatience: Patience;
  #patience: Patience;
  #workedAt = 0;
  #spinning = false;
  #showsSoon = false;
  #closed = false;

  constructor(
    { memory, application, transport, spinUsMax, activeMs }: EngineParts,
    ranker: Ranker,
    events: EngineEvents,
    source: EngineRouting,
  ) {
    this.#transport = transport;
    this.#activeMs = activeMs;
    this.#askedPatience = new Patience(spinUsMax);
    this.#answeredPatience = new Patience(spinUsMax);
    this.#patience = this.#askedPatience;
    this.#memory = memory;
    this.#application = application;
    this.#ranker = ranker;
    this.#events = events;
    this.#source = source;
    this.#bags = new BagsViews(memory.bytes);
    this.#results = new Borrowed(memory.resultSlots(), memory.fromEngine);
    this.#reports = setInterval(() => this.#report(), reportMs).unref();
    this.#report();
    this.wake();
  }

  /** Somebody has rung. */
  wake(): void {
    if (this.#spinning) return;
    this.#spinning = true;
    this.#turn();
  }

  /** Takes what the application asks for, and goes on as long as there is something, and a moment longer. */
  readonly #turn = (): void => {
    if (this.#closed) return;
    const { bell, toEngine } = this.#memory;
    const { peers } = this.#transport;
    const asked = toEngine.takeAll(this.#take);
    const found = peers.takeAll() || asked;
    const now = performance.now();
    if (found) this.#worked(now, this.#askedPatience);
    else this.#idleMs += Math.min(now - this.#lookedAt, engineLookUsMax / 1000);
    this.#lookedAt = now;
    if (!found && now - this.#workedAt > this.#patience.ms) {
      bell.sleep();
      this.#spinning = !toEngine.isEmpty || !peers.isEmpty;
      if (!this.#spinning) return;
      bell.stayAwake();
    }
    setImmediate(this.#turn);
  };

  /** It has worked. @param next how long it waits now */
  #worked(now: number, next: Patience): void {
    this.#patience.learn(now - this.#workedAt);
    this.#patience = next;
    this.#workedAt = now;
  }

  readonly #take = (kind: number, id: number, address: number, bytes: number): void => {
    if (kind === cancelRecord) this.#cancels.get(id)?.abort();
    else if (kind === releaseRecord) this.#results.giveBack(address, bytes);
    else if (kind === lookupRecord) this.#begin(id, address);
  };

  #begin(id: number, address: number): void {
    const head = readHead(this.#memory, address);
    if (head.shapeText !== undefined) this.#shapes[head.shape] = shapeOf(head.shapeText);
    const bags = this.#bags.read(address, this.#shapes[head.shape]);
    void this.#run({ id, bags, options: head.options, deadlineAt: head.deadlineAt }, head.cancellable);
  }

  async lookUp(lookup: SentLookup): Promise<void> {
    // The application knows from this call that the lookup has arrived, and not how it ends.
    void this.#run(lookup, true);
  }

  async #run({ id, bags, options, deadlineAt }: SentLookup, cancellable: boolean): Promise<void> {
    try {
      const left = deadlineAt - performance.timeOrigin - performance.now();
      // A deadline that has passed meanwhile is an error of the lookup, not of its options.
      const deadline = Math.max(left, Number.MIN_VALUE);
      const given: LookupOptions = cancellable
        ? { ...options, deadline, signal: this.#signalOf(id) }
        : { ...options, deadline };
      this.#answer(id, (await this.#ranker.lookup(bags, given)) as PooledLookup);
    } catch (error) {
      writeStats(this.#memory.stats, this.#ranker.stats);
      this.#events.failed(id, failureOf(error));
    } finally {
      if (cancellable) this.#cancels.delete(id);
    }
  }

  #signalOf(id: number): AbortSignal {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    return cancel.signal;
  }

  #answer(id: number, found: PooledLookup): void {
    const { parts, failures, incomplete } = found;
    const bytes = resultsBytes(parts);
    const { fromEngine } = this.#memory;
    const isPlain = failures.length === 0 && !fromEngine.isFull;
    const address = isPlain ? this.#results.allocate(bytes) : undefined;
    if (address === undefined) {
      writeStats(this.#memory.stats, this.#ranker.stats);
      const replies = parts.replies.map((reply) => reply?.bytes);
      this.#events.answered({
        ...{ id, results: parts.results, replies, incomplete, updates: parts.updates },
        failures: failures.map(failureOf),
      });
    } else {
      writeResults(parts, this.#memory.bytes, address);
      fromEngine.prepare(lookupRecord, id, address, bytes);
      // Large results stay until the application releases them.
      if (bytes < this.#memory.sharedResultBytes) this.#results.lend(address, bytes);
      this.#showSoon();
    }
    found[Symbol.dispose]();
  }

  /** Gives the results of this turn of the event loop to the application together, and wakes it once. */
  #showSoon(): void {
    if (this.#showsSoon) return;
    this.#showsSoon = true;
    setImmediate(() => {
      this.#showsSoon = false;
      writeStats(this.#memory.stats, this.#ranker.stats);
      this.#memory.fromEngine.show();
      this.#application.ring();
      this.#worked(performance.now(), this.#answeredPatience);
      if (this.#spinning || this.#patience.ms === 0) return;
      this.#memory.bell.stayAwake();
      this.wake();
    });
  }

  #report(): void {
    this.#reportNodes();
    if (this.#ends.length > 0) this.#events.subrequests(this.#ends);
    this.#ends = [];
    this.#memory.use = { busyMs: this.#activeMs() - this.#idleMs, atMs: performance.now() };
    writeStats(this.#memory.stats, this.#ranker.stats);
  }

  #reportNodes(): void {
    const nodes = JSON.stringify(this.#ranker.nodes);
    if (nodes !== this.#nodes) this.#events.nodes(this.#ranker.nodes);
    this.#nodes = nodes;
  }

  /** The lookups of its ranker use another plan. The application hears of the nodes of a plan before the plan. */
  plan(plan: string): void {
    this.#reportNodes();
    this.#events.plan(plan);
  }

  reroute(routing: RoutingTable): void {
    this.#source.change(routing);
  }

  async resizeCache(size: CacheSize): Promise<Failure | undefined> {
    const failure = await this.#ranker.resizeCache(size).then(() => undefined, failureOf);
    writeStats(this.#memory.stats, this.#ranker.stats);
    return failure;
  }

  async prepare(connection: number): Promise<void> {
    await this.#transport.prepare(connection);
  }

  async leave(connection: number): Promise<void> {
    this.#transport.leave(connection);
  }

  async checkNodes(): Promise<NodeStatus[]> {
    return await this.#ranker.checkNodes();
  }

  observe(): void {
    this.#ranker.observe((end) => this.#ends.push(end));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reports);
    await this.#ranker.close();
  }
}

/** The routing table of an engine, which its application reads and watches for it. */
export class EngineRouting implements RoutingSource {
  readonly #events: EngineEvents;
  #first: RoutingTable | undefined;
  /** A change that came while nobody watched. */
  #missed: RoutingTable | undefined;
  #onChange: ((routing: RoutingTable) => void) | undefined;

  constructor(first: RoutingTable, events: EngineEvents) {
    this.#first = first;
    this.#events = events;
  }

  async read(): Promise<RoutingTable> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return first;
    const { routing, failure } = await this.#events.readRouting();
    if (routing === undefined) throw errorOf(failure as Failure);
    return routing;
  }

  watch(onChange: (routing: RoutingTable) => void): () => void {
    this.#onChange = onChange;
    const missed = this.#missed;
    this.#missed = undefined;
    if (missed !== undefined) onChange(missed);
    return () => {
      this.#onChange = undefined;
    };
  }

  /** The application uses it now. It tells of everything that it reads, so the last one that it tells of is the newest. */
  change(routing: RoutingTable): void {
    if (this.#onChange === undefined) this.#missed = routing;
    else this.#onChange(routing);
  }
}
