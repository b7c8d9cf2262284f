// What the main thread of a memory node tells its workers: plain data and shared memories, nothing that moves.
import type { MissingPolicy, ShardRows } from '../kernel/call.ts';
import type { TableMode } from '../plan/table-spec.ts';
import type { NodeDescription } from '../wire/handler.ts';

/** One shard of the routing table, in this node's memory. */
export interface HostedShard {
  /** Its number in the routing table. */
  readonly number: number;
  readonly version: number;
  readonly mode: TableMode;
  readonly missing: MissingPolicy;
  /** The padding key as kernels see it. */
  readonly padding: number | undefined;
  /** Which of the memories holds rows and index. */
  readonly arena: number;
  readonly rows: ShardRows;
  /** Address of the index of its ids; 0: keys are rows. */
  readonly index: number;
  /** Walk over rows before folding them: they do not stay in the caches. */
  readonly touch: boolean;
}

/** Room for the subrequests of one worker in one memory. */
export interface SlotRange {
  readonly begin: number;
  readonly end: number;
}

/** Everything a worker needs to answer. */
export interface Hosting {
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
  /** One a memory, this worker's own. */
  readonly slots: readonly SlotRange[];
  readonly shards: readonly HostedShard[];
  /** Fingerprint of the routing table. */
  readonly plan: bigint;
  readonly description: Omit<NodeDescription, 'workers' | 'limits' | 'wireVersions'>;
}
