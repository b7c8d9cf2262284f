import type { Failure } from '../failure.ts';
// What an engine and its application say to each other outside of the shared memory.
import type { PushDown } from '../lookup/asked.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { CacheOptions } from '../ranker/cache-options.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import type { SubrequestEnd } from '../ranker/fan-out-terms.ts';
import type { LookupOptions } from '../ranker/lookup-options.ts';
import type { NodeStatus } from '../ranker/node-client.ts';
import type { EngineSizes } from './engine-sizes.ts';
import type { WakeChannel, WakePort } from './wake-port.ts';

/** Options of a ranker that its engines get. They are plain data. */
export interface EngineOptions {
  /** Engines that start again do without nodes that are away. */
  readonly awaitNodes?: boolean | undefined;
  readonly pushDown?: PushDown | undefined;
  readonly deduplicateBags?: boolean | undefined;
  readonly checksums?: boolean | undefined;
  readonly hedge?: boolean | undefined;
  readonly replyBytes?: number | undefined;
  readonly cache?: CacheSize | CacheOptions | undefined;
}

/** What an engine begins with. */
export interface EngineSetup {
  /** Its place among the engines. */
  readonly place: number;
  readonly engines: number;
  readonly sizes: EngineSizes;
  /** The memory of every engine (EngineMemory). */
  readonly memories: readonly SharedArrayBuffer[];
  /** The bell of the application. */
  readonly application: SharedArrayBuffer;
  /** Wakes the application, and is woken by it. */
  readonly port: WakePort;
  /** How many connections they do not share out (ConnectionTable). */
  readonly ownConnections: number;
  /** The connections that engines share out, and for each engine: its memory (PeerMemory), and what wakes it. */
  readonly connections: SharedArrayBuffer;
  readonly peers: readonly { readonly memory: SharedArrayBuffer; readonly port: WakePort | undefined }[];
  readonly routing: RoutingTable;
  readonly options: EngineOptions;
}

/** A lookup that does not go through the shared memory. */
export interface SentLookup {
  readonly id: number;
  readonly bags: KeyedBags;
  readonly options: Omit<LookupOptions, 'signal' | 'deadline'>;
  /** Milliseconds since 1970. */
  readonly deadlineAt: number;
}

/** Results that do not go through the shared memory. */
export interface SentResults {
  readonly id: number;
  readonly results: Uint8Array;
  /** By frame. */
  readonly replies: readonly (Uint8Array | undefined)[];
  readonly failures: readonly Failure[];
  readonly incomplete: ReadonlyMap<number, Uint32Array>;
  /** PooledParts.updates. */
  readonly updates: Uint32Array;
}

/** An engine, for its application. */
export interface EngineControl {
  lookUp(lookup: SentLookup): Promise<void>;
  /** The routing table has changed. */
  reroute(routing: RoutingTable): unknown;
  resizeCache(size: CacheSize): Promise<Failure | undefined>;
  checkNodes(): Promise<NodeStatus[]>;
  /** Connects, before it becomes the owner of a connection. */
  prepare(connection: number): Promise<void>;
  /** Another engine owns a connection now. */
  leave(connection: number): Promise<void>;
  /** Asks for the ends of subrequests. */
  observe(): unknown;
  close(): Promise<void>;
}

/** The application, for an engine. */
export interface EngineEvents {
  answered(results: SentResults): unknown;
  failed(id: number, failure: Failure): unknown;
  /** Reads the routing table again. */
  readRouting(): Promise<{ readonly routing?: RoutingTable; readonly failure?: Failure }>;
  routingFailed(failure: Failure): unknown;
  /** Its lookups use another plan now, and none an older one. */
  plan(plan: string): unknown;
  nodes(nodes: readonly NodeStatus[]): unknown;
  subrequests(ends: readonly SubrequestEnd[]): unknown;
}

/** An engine that runs. */
export interface RunningEngine {
  readonly control: EngineControl;
  /** Keeps the process alive, until this is called with false as often. It begins with being held once. */
  hold(holding: boolean): void;
  end(): Promise<void>;
}

/** Where engines run. */
export interface EngineThreads {
  /** Starts an engine. @param onEnd is called if it ends by itself @throws as InlineRanker.open */
  start(setup: EngineSetup, events: EngineEvents, onEnd: (error: Error) => void): Promise<RunningEngine>;
  /** A channel between two threads, which go to them with EngineSetup. */
  channel(): WakeChannel;
}
