import { failureOf } from '../failure.ts';
import type { InlineRanker } from '../ranker/inline-ranker.ts';
import type { RankerOptions } from '../ranker/ranker-options.ts';
import type { Transport } from '../transport/transport.ts';
import { Bell } from './bell.ts';
import { ConnectionTable } from './connection-table.ts';
import { Engine, EngineRouting } from './engine.ts';
import type { EngineEvents, EngineOptions, EngineSetup } from './engine-control.ts';
import { EngineMemory } from './engine-memory.ts';
import { type Partition, PartitionedTransport } from './partitioned-transport.ts';
import { PeerMemory } from './peer-memory.ts';

/** What the ranker of an engine is opened with. */
export type EngineRankerParts = EngineOptions &
  Pick<RankerOptions, 'routing' | 'transport' | 'onRoutingError' | 'onPlan'>;

/** The thread that an engine runs in. */
export interface EngineHost {
  readonly transport: Transport;
  /** Opens the ranker that does all lookups. */
  openRanker(parts: EngineRankerParts): Promise<InlineRanker>;
  /** How long engines may look for work before they sleep, in microseconds. */
  readonly spinUsMax: number;
  /** Milliseconds that the thread has been busy so far, with those in which the engine looked for work. */
  activeMs(): number;
}

/** Opens an engine in this thread. @throws as InlineRanker.open */
export async function openEngine(
  setup: EngineSetup,
  host: EngineHost,
  events: EngineEvents,
): Promise<Engine> {
  const { place, memories, application, port, peers, routing, sizes, options } = setup;
  const source = new EngineRouting(routing, events);
  const transport = new PartitionedTransport(host.transport, partitionOf(setup));
  let engine: Engine | undefined;
  const ranker = await host.openRanker({
    routing: source,
    transport,
    // A ranker says its first plan while it opens.
    onPlan: (plan) => (engine ?? events).plan(plan),
    onRoutingError: (error) => events.routingFailed(failureOf(error)),
    ...options,
  });
  const memory = new EngineMemory(() => {}, sizes, memories[place]);
  const bell = new Bell(new Int32Array(application), 0, () => port.postMessage(0));
  const { activeMs, spinUsMax } = host;
  const parts = { memory, application: bell, transport, spinUsMax, activeMs };
  const opened = new Engine(parts, ranker, events, source);
  engine = opened;
  for (const other of [port, ...peers.flatMap((peer) => peer.port ?? [])])
    other.on('message', () => opened.wake());
  return opened;
}

function partitionOf(setup: EngineSetup): Partition {
  const { place, engines, ownConnections, connections, memories, peers, sizes } = setup;
  const bellOf = (memory: SharedArrayBuffer, i: number): Bell =>
    new EngineMemory(() => peers[i].port?.postMessage(0), sizes, memory).bell;
  return {
    place,
    table: new ConnectionTable(connections, engines, ownConnections),
    memories: peers.map(({ memory }) => new PeerMemory(memory, engines, sizes)),
    peerBytes: sizes.peerBytes,
    bells: memories.map(bellOf),
  };
}
