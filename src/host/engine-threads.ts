// Threads that do the lookups of a ranker.
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { EngineEvents, EngineSetup, EngineThreads, RunningEngine } from '../engine/engine-control.ts';
import { engineStartMsMax } from '../engine-limits.ts';
import { FlexemrError } from '../errors.ts';
import { errorOf } from '../failure.ts';
import { packageFile } from '../kernel/files.ts';
import type { EngineThread } from './expose-engine.ts';
import { startWorker } from './start-worker.ts';
import { Starts } from './starts.ts';

/**
 * Starts engines as threads of this process.
 * @param choice what each opens its transport with @param file of the thread
 */
export function engineThreads(
  choice: unknown,
  file: URL = packageFile('./engine-thread', import.meta.url),
): EngineThreads {
  const starts = new Starts();
  return {
    start: (setup, events, onEnd) => starts.run(() => start(file, choice, setup, { events, onEnd })),
    channel: () => new MessageChannel(),
  };
}

async function start(
  file: URL,
  choice: unknown,
  setup: EngineSetup,
  { events, onEnd }: { readonly events: EngineEvents; readonly onEnd: (error: Error) => void },
): Promise<RunningEngine> {
  const worker = startWorker(file, 'engines');
  let cause: Error | undefined;
  let ending = false;
  worker.on('error', (error) => {
    cause = error as Error;
  });
  const ended = new Promise<never>((_, reject) => {
    worker.on('exit', (code) => {
      const error = cause ?? new Error(`the thread has ended with code ${code}`);
      reject(
        new FlexemrError('WORKER_FAILED', `an engine has ended: ${error.message}`, {
          field: 'engines',
          cause,
        }),
      );
      if (!ending) onEnd(error);
    });
  });
  ended.catch(() => {});
  const control = Comlink.wrap<EngineThread<unknown>>(nodeEndpoint(worker));
  const end = async (): Promise<void> => {
    ending = true;
    await worker.terminate();
  };
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `an engine has not started within ${engineStartMsMax} ms`;
    late.reject(new FlexemrError('WORKER_FAILED', message, { field: 'engines' }));
  }, engineStartMsMax);
  try {
    const { port1, port2 } = new MessageChannel();
    Comlink.expose(events, nodeEndpoint(port1));
    // Only lookups keep the process alive.
    port1.unref();
    const opening = control.open(Comlink.transfer(setup, portsOf(setup, port2)), choice, port2);
    const failure = await Promise.race([opening, ended, late.promise]);
    if (failure !== undefined) throw errorOf(failure);
  } catch (error) {
    await end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  // It has been held since it started.
  let holds = 1;
  const hold = (holding: boolean): void => {
    holds += holding ? 1 : -1;
    if (holds > 0) worker.ref();
    else worker.unref();
  };
  // Calls of a thread that has ended are never answered, and a program that waits for one must not end before.
  const call = async <T>(work: Promise<T>): Promise<T> => {
    hold(true);
    try {
      return await Promise.race([work, ended]);
    } finally {
      hold(false);
    }
  };
  return {
    control: {
      lookUp: (lookup) => control.lookUp(lookup),
      reroute: (routing) => control.reroute(routing),
      resizeCache: (size) => call(control.resizeCache(size)),
      checkNodes: () => call(control.checkNodes()),
      prepare: (connection) => call(control.prepare(connection)),
      leave: (connection) => call(control.leave(connection)),
      observe: () => control.observe(),
      close: () => call(control.close()).catch(() => {}),
    },
    hold,
    end,
  };
}

/** Its type is of Node.js, which Comlink does not know. */
function portsOf({ port, peers }: EngineSetup, events: MessagePort): Transferable[] {
  const ports = [events, port, ...peers.flatMap((peer) => peer.port ?? [])];
  return ports as unknown as Transferable[];
}
