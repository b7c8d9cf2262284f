import { once } from 'node:events';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { packageFile } from '../kernel/files.ts';
import type { Log } from '../log.ts';
import type { Reload } from '../memory-node/node-updates.ts';
import { startWorker } from './start-worker.ts';
import type { ReloadRequest, Said, UpdateControl, UpdateThreadData } from './update-control.ts';
import type { RunningUpdates } from './update-thread.ts';
import { outcomeOf, resultOf } from './worker-control.ts';

export interface StartUpdatesOptions extends UpdateThreadData {
  /** Reads the rows of a shard again, by the name of its chain. */
  readonly reload: Reload;
  readonly log?: Log | undefined;
}

/** Starts a thread that writes row updates. */
export function startUpdateThread({ choice, gate, reload, log }: StartUpdatesOptions): RunningUpdates {
  const data: UpdateThreadData = { choice, gate };
  const worker = startWorker(packageFile('./update-worker', import.meta.url), 'workers', data);
  const readAgain = async ({ reload: chain, outcomeTo }: ReloadRequest): Promise<void> => {
    outcomeTo.postMessage(await outcomeOf(() => reload(chain)));
    outcomeTo.close();
  };
  worker.on('message', (message: Partial<Said & ReloadRequest>) => {
    if (message.said !== undefined && message.level !== undefined)
      log?.[message.level](message.what ?? {}, message.said);
    if (message.reload !== undefined) void readAgain(message as ReloadRequest);
  });
  let cause: unknown;
  worker.on('error', (error) => {
    cause = error;
  });
  const control = Comlink.wrap<UpdateControl>(nodeEndpoint(worker));
  /** Number of memories that it has. */
  let sent = 0;
  return {
    async host(hosting) {
      const memories = hosting.memories.slice(sent);
      sent = hosting.memories.length;
      resultOf(await control.host({ ...hosting, memories }));
    },
    caughtUp: async () => resultOf(await control.caughtUp()),
    stats: () => control.stats(),
    close: () => control.close(),
    ended: once(worker, 'exit').then(() => cause),
    terminate: () => worker.terminate(),
  };
}
