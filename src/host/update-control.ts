// The calls by which the main thread of a memory node controls the thread that writes row updates.
import type { MessagePort } from 'node:worker_threads';
import type { NodeUpdatesStats, UpdatesHosting } from '../memory-node/node-updates.ts';
import type { GateMemory } from '../memory-node/write-gate.ts';
import type { UpdateLogChoice } from './open-update-log.ts';
import type { Outcome } from './worker-control.ts';

/** What the thread is started with. */
export interface UpdateThreadData {
  readonly choice: UpdateLogChoice;
  readonly gate: GateMemory;
}

export interface UpdateControl {
  /** Writes to these shards from now on, and to no others. Only memories that the thread does not have yet are sent, as in SentServing. */
  host(hosting: UpdatesHosting): Promise<Outcome<void>>;
  /** Waits until all shards have what the log had when they came. */
  caughtUp(): Promise<Outcome<void>>;
  stats(): NodeUpdatesStats;
  /** Writes nothing more. */
  close(): Promise<void>;
}

/** A line for the log of the node. */
export interface Said {
  readonly level: 'info' | 'warn';
  readonly what: object;
  readonly said: string;
}

/** A request to read the rows of a shard again. The outcome goes to the port. */
export interface ReloadRequest {
  readonly reload: string;
  readonly outcomeTo: MessagePort;
}
