// A process of a memory node that follows a simulated cluster: the production releases, workers, listeners and row updates, each in a
// thread of its own.
import { LoadedReleases } from '../../src/host/loaded-releases.ts';
import { ServedCluster } from '../../src/host/served-cluster.ts';
import { UpdateThread } from '../../src/host/update-thread.ts';
import { ownShards } from '../../src/memory-node/load-shards.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { UpdatesHosting } from '../../src/memory-node/node-updates.ts';
import type { UpdatedShard } from '../../src/memory-node/row-writer.ts';
import { makeGate } from '../../src/memory-node/write-gate.ts';
import { firstRelease } from '../../src/plan/cluster.ts';
import { KeptCluster } from '../../src/plan/kept-cluster.ts';
import { token } from '../../src/simulation/cluster.ts';
import type { Address, Network } from '../../src/simulation/network.ts';
import { type LocalClock, Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { Listener } from '../../src/transport/listener.ts';
import type { FreedMemory } from './freed-memory.ts';
import { NamedSubrequests } from './named-subrequests.ts';
import { SimulatedGate } from './simulated-gate.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { SimulatedUpdates } from './simulated-updates.ts';
import type { Truth } from './truth.ts';
import { TruthBucket } from './truth-bucket.ts';
import { placeOf } from './updated-rows.ts';
import { pathOf, VersionedShards } from './versioned-shards.ts';

export interface UpdatesOfNode {
  readonly log: SimulatedLog;
  /** Whether workers read rows for too long now. */
  readonly isBusy: () => boolean;
  /** Hears of rows that are read again. */
  readonly onReload: (chain: string) => void;
}

export interface ChangingProcessOptions {
  readonly world: World;
  readonly network: Network;
  readonly truth: Truth;
  readonly workers: number;
  readonly headroom: number;
  readonly slotBytes: number;
  readonly clock: LocalClock;
  /** Until the next message reaches another thread. */
  readonly messageMs: () => number;
  readonly shardMs: () => number;
  readonly replyMs: () => number;
  readonly isMissing: () => boolean;
  /** Undefined: rows do not change. */
  readonly updates?: UpdatesOfNode | undefined;
}

interface WorkerThread {
  readonly processor: Processor;
  readonly node: MemoryNode;
  readonly named: NamedSubrequests;
  /** No subrequest uses what it has served before. */
  leaving: Promise<unknown>;
  /** When the last message to it arrives. */
  messageAt: number;
}

export class ChangingProcess {
  readonly #of: ChangingProcessOptions;
  readonly #name: string;
  readonly #addresses: readonly Address[];
  /** Its main thread. */
  readonly main: Processor;
  readonly #workers: readonly WorkerThread[];
  readonly #listeners: Listener[] = [];
  readonly #served: ServedCluster;
  readonly #releases: LoadedReleases;
  readonly #freedMemory: FreedMemory;
  readonly #store: KeptCluster;
  /** The thread that writes row updates now. */
  #thread: SimulatedUpdates | undefined;
  #isReady = false;
  #ended = false;
  readonly #crashed = Promise.withResolvers<void>();
  /** Bytes of its arenas when it was ready. */
  firstArenaBytes = 0;

  constructor(of: ChangingProcessOptions, name: string, addresses: readonly Address[]) {
    this.#of = of;
    this.#name = name;
    this.#addresses = addresses;
    const { headroom, slotBytes, shardMs, isMissing, replyMs, workers: count } = of;
    const threadOf = (thread: string): Processor => {
      const processor = new Processor(`${name} ${thread}`);
      processor.clock = of.clock;
      return processor;
    };
    this.main = threadOf('main');
    const ports = addresses.map(({ port }) => ({ port }));
    const { updates } = of;
    const gate = updates && new SimulatedGate(count, updates.isBusy);
    this.#workers = addresses.map((_, i) => {
      const node = new MemoryNode(name, ports, { gate: gate?.workers[i] });
      const named = new NamedSubrequests(node, replyMs);
      return { processor: threadOf(`${i}`), node, named, leaving: Promise.resolve(), messageAt: 0 };
    });
    const reader = new VersionedShards({ slotBytes, headroom, shardMs, isMissing });
    const takesUpdates = of.updates !== undefined;
    this.#freedMemory = reader.freed;
    const options = { node: name, workers: count, headroom, tables: pathOf(1), takesUpdates };
    this.#releases = new WatchedReleases(options, reader, (plan) => this.#freed(plan));
    const workers = {
      host: () =>
        Promise.all(this.#workers.map((worker, i) => this.#call(worker, () => this.#host(worker, i)))),
      unused: () => Promise.all(this.#workers.map((worker) => this.#call(worker, () => worker.leaving))),
    };
    this.#served = new ServedCluster(
      ...([options, workers, this.#releases] as const),
      gate && updates && this.#updates(gate, updates),
    );
    this.#store = new KeptCluster(new TruthBucket(of.truth, this.main));
  }

  #updates(gate: SimulatedGate, { log, onReload }: UpdatesOfNode): UpdateThread {
    const { world, clock, messageMs } = this.#of;
    const start = (): SimulatedUpdates => {
      this.#thread = new SimulatedUpdates({
        ...{ world, clock, messageMs, gate, name: this.#name, main: this.main },
        log,
        reload: (chain) => {
          onReload(chain);
          return this.#releases.reload(chain);
        },
      });
      return this.#thread;
    };
    return new UpdateThread({ start, gate: makeGate(this.#workers.length) });
  }

  /** The thread that writes row updates, if there is one. */
  get updatesThread(): Processor | undefined {
    return this.#thread?.processor;
  }

  /** It ends at once, and another one comes. @param written a shard that it was writing to; undefined: none */
  killUpdates(written?: UpdatedShard): void {
    if (this.#thread === undefined || this.#ended) return;
    this.#thread.kill();
    if (written === undefined) return;
    const { arena, rows } = written;
    placeOf(this.updated, written).reload();
    new Uint8Array(this.updated.memories[arena].buffer, rows.address, rows.rowBytes).fill(0xaa);
  }

  /** @throws if somebody has written to rows after they were freed */
  checkFreed(): void {
    this.#freedMemory.check();
  }

  /** The shards that take updates, as the node has them. */
  get updated(): UpdatesHosting {
    return this.#releases.updatesOf(this.#releases.plans);
  }

  /** The main thread asks a worker. Messages arrive in the order in which they were sent. */
  #call<T>(worker: WorkerThread, act: () => Promise<T> | T): Promise<T> {
    const { world, messageMs } = this.#of;
    const back = (then: () => void): void => void world.at(world.now + messageMs(), then, this.main);
    worker.messageAt = Math.max(worker.messageAt, world.now + messageMs());
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        new Promise<T>((done) => done(act())).then(
          (value) => back(() => resolve(value)),
          (error) => back(() => reject(error)),
        );
      };
      world.at(worker.messageAt, arrive, worker.processor);
    });
  }

  #host(worker: WorkerThread, i: number): void {
    const { hostings, coming, next } = this.#served.serving(i);
    worker.leaving = Promise.all([worker.leaving, worker.node.host(...hostings)]);
    worker.node.following = { coming, next };
  }

  /** Rows of a release are overwritten now. */
  #freed(plan: string): void {
    for (const { named } of this.#workers)
      if (named.count(plan) > 0)
        this.#of.world.fail(
          new Error(`${this.#name} frees a release that ${named.count(plan)} subrequests still name`),
        );
  }

  /** @throws if it ends, because it cannot start */
  start(): Promise<void> {
    const { world } = this.#of;
    return new Promise((resolve, reject) => {
      const ended = (error: unknown): void => {
        this.crash();
        reject(error);
      };
      world.in(this.main, () => this.#start()).then(resolve, ended);
    });
  }

  async #start(): Promise<void> {
    const { cluster } = await this.#store.read();
    const release = firstRelease(cluster, this.#name);
    // As the host does: a node without a place ends before it listens.
    ownShards({ routing: release.routing, node: this.#name });
    for (const [i, worker] of this.#workers.entries())
      await this.#call(worker, async () => {
        const own = { ...this.#addresses[i], security: { token } };
        if (!this.#ended) this.#listeners.push(await Listener.open(worker.named, own, undefined));
      });
    await this.#served.start(release);
    await Promise.all(this.#workers.map((worker, i) => this.#call(worker, () => this.#host(worker, i))));
    this.#served.follow(this.#store, cluster);
    this.#store.leases.holdNode(
      () => ({
        node: this.#name,
        url: '',
        ports: this.#addresses.map(({ port }) => port),
        room: { usedBytes: this.#served.held.rowBytes },
        releases: this.#served.releases,
        version: '',
      }),
      () => {},
    );
    this.firstArenaBytes = this.held.arenaBytes;
    this.#isReady = true;
  }

  /** The releases that it has, loads, or could not load. */
  get releases(): ServedCluster['releases'] {
    return this.#isReady ? this.#served.releases : [];
  }

  get held(): ServedCluster['held'] {
    return this.#served.held;
  }

  /** Whether every worker serves a release. */
  serves(plan: string): boolean {
    return this.#workers.every(({ node }) =>
      node.describe().releases?.some((each) => each.plan === plan && each.state === 'ready'),
    );
  }

  /** Ends at once. */
  crash(): void {
    this.#ended = true;
    this.#crashed.resolve();
    this.#isReady = false;
    this.#of.world.kill(this.main);
    this.#thread?.kill();
    for (const address of this.#addresses) this.#of.network.crash(address);
  }

  /** Ends after its answers have been sent, unless it ends by itself meanwhile. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const stopped = this.#of.world.in(this.main, async () => {
      await this.#served.stop();
      await this.#store.close();
      await this.#served.close();
    });
    await Promise.race([stopped, this.#crashed.promise]);
    for (const { node } of this.#workers) node.drain();
  }

  /** Ends what is left of it. @throws if a worker holds a subrequest */
  async close(): Promise<void> {
    const { world } = this.#of;
    const close = (): Promise<unknown> =>
      Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
    // Its threads may be dead.
    await world.in(world.outside, close);
    for (const { node } of this.#workers) {
      const { held, waiting } = node.stats;
      if (held > 0) throw new Error(`${this.#name} holds ${held} subrequests, of which ${waiting} wait`);
    }
  }
}

class WatchedReleases extends LoadedReleases {
  readonly #onFreed: (plan: string) => void;

  constructor(
    options: ConstructorParameters<typeof LoadedReleases>[0],
    reader: VersionedShards,
    onFreed: (plan: string) => void,
  ) {
    super(options, reader);
    this.#onFreed = onFreed;
  }

  override free(plan: string): void {
    this.#onFreed(plan);
    super.free(plan);
  }
}
