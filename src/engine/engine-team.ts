import { engineGraceMs } from '../engine-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { type BalancedEngines, Balancing } from './balancing.ts';
import { Bell } from './bell.ts';
import { ConnectionTable } from './connection-table.ts';
import type {
  EngineEvents,
  EngineOptions,
  EngineSetup,
  EngineThreads,
  RunningEngine,
} from './engine-control.ts';
import { EngineLink, type LinkShared } from './engine-link.ts';
import { EngineMemory, type EngineUse } from './engine-memory.ts';
import type { EngineSizes } from './engine-sizes.ts';
import { PeerMemory } from './peer-memory.ts';
import type { WakePort } from './wake-port.ts';

export interface TeamOptions {
  readonly engines: number;
  readonly sizes: EngineSizes;
  /** Connections that each engine has for itself; more are shared out. */
  readonly ownConnections: number;
  readonly routing: RoutingTable;
  readonly options: EngineOptions;
}

interface TeamContext extends LinkShared {
  readonly threads: EngineThreads;
  readonly events: Omit<EngineEvents, 'answered' | 'failed' | 'plan'>;
  /** An engine, by its place, uses another plan. */
  readonly onPlan: (place: number, plan: string) => void;
  readonly onEnd: (error: Error) => void;
}

/** The engines of a ranker. They start and end together. */
export class EngineTeam implements BalancedEngines {
  readonly links: readonly EngineLink[];
  /** The connections, and which engine owns each. */
  readonly connections: ConnectionTable;
  readonly #balancing: Balancing | undefined;
  readonly #expiry: NodeJS.Timeout;
  readonly #engines: readonly RunningEngine[];
  readonly #bell: Bell;
  readonly #ports: readonly WakePort[];

  static async start(team: TeamOptions, context: TeamContext): Promise<EngineTeam> {
    const { engines, sizes, ownConnections } = team;
    const { threads } = context;
    const channels = Array.from({ length: engines }, () => threads.channel());
    const memories = channels.map(({ port1 }) => new EngineMemory(() => port1.postMessage(0), sizes));
    const application = new SharedArrayBuffer(Bell.words * 4);
    const connections = new SharedArrayBuffer(ConnectionTable.bytes);
    const peersOf = wire(engines, sizes, threads);
    const links: EngineLink[] = [];
    let ended: Error | undefined;
    let onEnd = (error: Error): void => {
      ended ??= error;
    };
    const begun = memories.map((_, place) => {
      const buffers = memories.map(({ buffer }) => buffer);
      const port = channels[place].port2;
      const setup = {
        ...{ ...team, place, application, port, connections },
        ...{ memories: buffers, peers: peersOf[place] },
      };
      const events: EngineEvents = {
        ...context.events,
        answered: (results) => links[place].answered(results),
        failed: (id, failure) => links[place].failed(id, failure),
        plan: (plan) => context.onPlan(place, plan),
      };
      return threads.start(setup, events, (error) => onEnd(error));
    });
    const all = await Promise.allSettled(begun);
    const running = all.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const failed = all.find(({ status }) => status === 'rejected');
    // One may also have ended while it waited for the others.
    if (failed?.status === 'rejected' || ended !== undefined) {
      await Promise.all(running.map((engine) => engine.end()));
      throw failed?.status === 'rejected' ? failed.reason : endedAtStart(ended);
    }
    for (const [place, engine] of running.entries())
      links.push(new EngineLink(place, memories[place], engine, context));
    onEnd = context.onEnd;
    const bell = new Bell(new Int32Array(application), 0);
    const table = new ConnectionTable(connections, engines, ownConnections);
    const ports = channels.map(({ port1 }) => port1);
    return new EngineTeam(links, running, { bell, ports, table });
  }

  private constructor(
    links: readonly EngineLink[],
    engines: readonly RunningEngine[],
    { bell, ports, table }: { bell: Bell; ports: readonly WakePort[]; table: ConnectionTable },
  ) {
    this.links = links;
    this.#engines = engines;
    this.#bell = bell;
    this.#ports = ports;
    this.connections = table;
    if (links.length > 1) this.#balancing = new Balancing(this);
    this.#expiry = setInterval(() => this.#expire(), engineGraceMs / 2).unref();
    for (const port of ports) port.on('message', () => this.#takeAll()).unref();
    this.#takeAll();
  }

  /** Engines end lookups at their deadlines, unless they are stuck. */
  #expire(): void {
    const before = performance.timeOrigin + performance.now() - engineGraceMs;
    for (const link of this.links) link.expire(before);
  }

  /** An engine has rung. Takes all results that there are. */
  #takeAll(): void {
    do {
      this.#bell.stayAwake();
      for (const link of this.links) link.take();
      this.#bell.sleep();
    } while (this.links.some((link) => !link.isEmpty));
  }

  /** The engine with the fewest lookups. The first one of these, because it is awake or has the most in its cache. */
  get idlest(): EngineLink {
    let [best] = this.links;
    for (const link of this.links) if (link.load < best.load) best = link;
    return best;
  }

  /** Connections that have got another engine by themselves. */
  get moves(): number {
    return this.#balancing?.moves ?? 0;
  }

  get uses(): EngineUse[] {
    return this.links.map((link) => link.use);
  }

  /** Lets another engine own a connection. It connects before, and the engine that had it keeps its own until that is idle. */
  async move(connection: number, to: number): Promise<void> {
    const owner = this.connections.owner(connection);
    if (owner === undefined || owner === to) return;
    await this.links[to].control.prepare(connection);
    // Another move of it may have come first.
    const from = this.connections.owner(connection) ?? to;
    this.connections.move(connection, to);
    if (from !== to) await this.links[from].control.leave(connection);
  }

  /** One of them has ended. */
  lost(cause: Error): void {
    const message = `an engine has ended while it had this lookup (${cause.message}); try again`;
    for (const link of this.links)
      link.lost(new FlexemrError('WORKER_FAILED', message, { field: 'engines', cause }));
    void this.#end();
  }

  /** @param error of the lookups under way */
  async close(error: FlexemrError): Promise<void> {
    for (const link of this.links) link.lost(error);
    await Promise.all(this.links.map(({ control }) => control.close()));
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#balancing?.close();
    clearInterval(this.#expiry);
    for (const port of this.#ports) port.close();
    await Promise.all(this.#engines.map((engine) => engine.end()));
  }
}

function endedAtStart(cause: Error | undefined): FlexemrError {
  const message = `an engine has ended while the others started (${cause?.message}); try again`;
  return new FlexemrError('WORKER_FAILED', message, { field: 'engines', cause });
}

/** Ports between each two engines, and their memories. @returns for each engine: the others */
function wire(engines: number, sizes: EngineSizes, threads: EngineThreads): EngineSetup['peers'][] {
  const memories = Array.from({ length: engines }, () => PeerMemory.allocate(engines, sizes));
  const ports = memories.map(() => new Map<number, WakePort>());
  for (let one = 0; one < engines; one++)
    for (let other = one + 1; other < engines; other++) {
      const { port1, port2 } = threads.channel();
      ports[one].set(other, port1);
      ports[other].set(one, port2);
    }
  return ports.map((own) => memories.map((memory, place) => ({ memory, port: own.get(place) })));
}
