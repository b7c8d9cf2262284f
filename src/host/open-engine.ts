import { performance } from 'node:perf_hooks';
import { Bell } from '../engine/bell.ts';
import { ConnectionTable } from '../engine/connection-table.ts';
import { Engine, EngineRouting } from '../engine/engine.ts';
import type { EngineEvents, EngineSetup } from '../engine/engine-control.ts';
import { EngineMemory } from '../engine/engine-memory.ts';
import { type Partition, PartitionedTransport } from '../engine/partitioned-transport.ts';
import { PeerMemory } from '../engine/peer-memory.ts';
import { failureOf } from '../failure.ts';
import { kernelModule } from '../kernel/files.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Transport } from '../transport/transport.ts';
import { collectGarbage } from './collect-garbage.ts';

const activeMs = (): number => performance.eventLoopUtilization().active;

/** Opens an engine in this thread. @throws as InlineRanker.open */
export async function openEngine(
  setup: EngineSetup,
  transport: Transport,
  events: EngineEvents,
): Promise<Engine> {
  const { place, memories, application, port, peers, routing, options } = setup;
  const source = new EngineRouting(routing, events);
  const partitioned = new PartitionedTransport(transport, partitionOf(setup));
  const ranker = await InlineRanker.open({
    routing: source,
    transport: partitioned,
    module: kernelModule('ranker'),
    tracer: await loadTracer(),
    collect: collectGarbage,
    onPlan: (plan) => events.plan(plan),
    onRoutingError: (error) => events.routingFailed(failureOf(error)),
    ...options,
  });
  const memory = new EngineMemory(() => {}, memories[place]);
  const bell = new Bell(new Int32Array(application), 0, () => port.postMessage(0));
  const parts = { memory, application: bell, transport: partitioned, activeMs };
  const engine = new Engine(parts, ranker, events, source);
  for (const other of [port, ...peers.flatMap((peer) => peer.port ?? [])])
    other.on('message', () => engine.wake());
  return engine;
}

function partitionOf({ place, engines, connections, memories, peers }: EngineSetup): Partition {
  return {
    place,
    table: new ConnectionTable(connections, engines),
    memories: peers.map(({ memory }) => new PeerMemory(memory, engines)),
    bells: memories.map((memory, i) => new EngineMemory(() => peers[i].port?.postMessage(0), memory).bell),
  };
}
