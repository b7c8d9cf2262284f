// A thread that does the lookups of a ranker. It has connections, memory and a cache of its own.
import { performance } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { Bell } from '../engine/bell.ts';
import { ConnectionTable } from '../engine/connection-table.ts';
import { Engine, EngineRouting } from '../engine/engine.ts';
import type { EngineControl, EngineEvents, EngineSetup } from '../engine/engine-control.ts';
import { EngineMemory } from '../engine/engine-memory.ts';
import { type Failure, failureOf } from '../engine/failure.ts';
import { type Partition, PartitionedTransport } from '../engine/partitioned-transport.ts';
import { PeerMemory } from '../engine/peer-memory.ts';
import { kernelModule } from '../kernel/files.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import { collectGarbage } from './collect-garbage.ts';
import { openTransport, type TransportChoice } from './open-transport.ts';

/** What the main thread calls. */
export interface EngineThread extends EngineControl {
  open(setup: EngineSetup, transport: TransportChoice, events: EngineEvents): Promise<Failure | undefined>;
}

let engine: Engine | undefined;
const activeMs = (): number => performance.eventLoopUtilization().active;

function partitionOf({ place, engines, connections, memories, peers }: EngineSetup): Partition {
  return {
    place,
    table: new ConnectionTable(connections, engines),
    memories: peers.map(({ memory }) => new PeerMemory(memory, engines)),
    bells: memories.map((memory, i) => new EngineMemory(() => peers[i].port?.postMessage(0), memory).bell),
  };
}

async function open(
  setup: EngineSetup,
  choice: TransportChoice,
  events: EngineEvents,
): Promise<Failure | undefined> {
  try {
    const { place, memories, application, port, routing, options } = setup;
    const source = new EngineRouting(routing, events);
    const transport = new PartitionedTransport(await openTransport(choice), partitionOf(setup));
    const ranker = await InlineRanker.open({
      routing: source,
      transport,
      module: kernelModule('ranker'),
      tracer: await loadTracer(),
      collect: collectGarbage,
      onRoutingError: (error) => events.routingFailed(failureOf(error)),
      ...options,
    });
    const memory = new EngineMemory(() => {}, memories[place]);
    const bell = new Bell(new Int32Array(application), 0, () => port.postMessage(0));
    const started = new Engine({ memory, application: bell, transport, activeMs }, ranker, events, source);
    for (const other of [port, ...setup.peers.flatMap((peer) => peer.port ?? [])])
      other.on('message', () => started.wake());
    engine = started;
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

const opened = (): Engine => engine as Engine;
if (parentPort)
  Comlink.expose(
    {
      open,
      lookUp: (lookup) => opened().lookUp(lookup),
      reroute: (routing) => opened().reroute(routing),
      resizeCache: (size) => opened().resizeCache(size),
      prepare: (connection) => opened().prepare(connection),
      checkNodes: () => opened().checkNodes(),
      observe: () => opened().observe(),
      close: () => opened().close(),
    } satisfies EngineThread,
    nodeEndpoint(parentPort),
  );
