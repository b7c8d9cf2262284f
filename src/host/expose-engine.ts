import { type MessagePort, parentPort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Engine } from '../engine/engine.ts';
import type { EngineControl, EngineEvents, EngineSetup } from '../engine/engine-control.ts';
import { openEngine } from '../engine/open-engine.ts';
import { type Failure, failureOf } from '../failure.ts';
import type { Transport } from '../transport/transport.ts';
import { engineHost } from './engine-host.ts';

/** What the main thread calls. `C`: what the transport is opened with. */
export interface EngineThread<C> extends EngineControl {
  /** @param events a port to the EngineEvents of the main thread */
  open(setup: EngineSetup, choice: C, events: MessagePort): Promise<Failure | undefined>;
}

/** Makes this thread an engine, once the main thread opens it. */
export function exposeEngine<C>(openTransport: (choice: C) => Promise<Transport>): void {
  let engine: Engine | undefined;
  const open = async (setup: EngineSetup, choice: C, port: MessagePort): Promise<Failure | undefined> => {
    try {
      const events = Comlink.wrap<EngineEvents>(nodeEndpoint(port));
      const host = await engineHost(await openTransport(choice), setup.engines);
      engine = await openEngine(setup, host, events);
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  };
  const opened = (): Engine => engine as Engine;
  const thread: EngineThread<C> = {
    open,
    lookUp: (lookup) => opened().lookUp(lookup),
    reroute: (routing) => opened().reroute(routing),
    resizeCache: (size) => opened().resizeCache(size),
    prepare: (connection) => opened().prepare(connection),
    leave: (connection) => opened().leave(connection),
    checkNodes: () => opened().checkNodes(),
    observe: () => opened().observe(),
    close: () => opened().close(),
  };
  if (parentPort) Comlink.expose(thread, nodeEndpoint(parentPort));
}
