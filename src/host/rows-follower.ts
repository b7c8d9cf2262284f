import type { NodeUpdatesStats, UpdatesHosting } from '../memory-node/node-updates.ts';

/** Who writes row updates to the shards of a node. */
export interface RowsFollower {
  /** Writes to these shards from now on, and to no others. */
  host(hosting: UpdatesHosting): Promise<void>;
  /** Waits until all shards have what the log had when they came. @throws UNAVAILABLE, CONFLICT */
  caughtUp(): Promise<void>;
  stats(): Promise<NodeUpdatesStats>;
  close(): Promise<void>;
}
