// What the main thread of a memory node sends to its workers: plain data and shared memories. Nothing is transferred.
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
  /** The padding key in the form that kernels take. */
  readonly padding: number | undefined;
  /** Number of the memory that holds its rows and its index. */
  readonly arena: number;
  readonly rows: ShardRows;
  /** Rows of them that no id has yet, when they are loaded. */
  readonly spare?: number | undefined;
  /** Address of the index of its ids. 0 if keys are row numbers. */
  readonly index: number;
  /** Address of its update record, in the memory of its rows. `noUpdates`: its table takes no updates. */
  readonly updates: number;
  /** Whether kernels touch rows before they fold them, because the rows do not stay in the caches. */
  readonly touch: boolean;
}

/** Space for the subrequests of one worker in one memory. */
export interface SlotRange {
  readonly begin: number;
  readonly end: number;
}

/** Everything that a worker needs to answer subrequests. */
export interface Hosting {
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
  /** The slots of this worker, one range per memory. */
  readonly slots: readonly SlotRange[];
  readonly shards: readonly HostedShard[];
  /** Fingerprint of the routing table. */
  readonly plan: bigint;
  readonly description: Omit<NodeDescription, 'workers' | 'limits' | 'wireVersions'>;
}
