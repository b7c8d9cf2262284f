import * as v from 'valibot';
import {
  callback,
  given,
  integer,
  isObject,
  numberWhere,
  options as optionsOf,
  type Schema,
} from '../check.ts';
import { portMax, workersMax } from '../limits.ts';
import type { Log } from '../log.ts';
import type { MemoryNodeTuning } from '../memory-node/tuning.ts';
import type { ClusterSource } from '../plan/cluster-store.ts';
import { headroomShare } from '../plan/planner.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { LoadProgress } from '../store/load.ts';
import { type TableSource, tableSourceText } from '../store/table-file.ts';
import { type ListenOptions, listenFields } from '../transport/listen-options.ts';
import { type DeviceChoice, deviceChoice } from '../transport/rdma/device-choice.ts';
import { type UpdateLogChoice, updateLogChoice } from './open-update-log.ts';

export interface MemoryNodeOptions extends MemoryNodeTuning, ListenOptions {
  /** The safetensors file of the tables. The node loads only its own shards. A release of a cluster may name another file. */
  readonly tables: TableSource;
  /** A routing table; or a cluster (openClusterSource), whose releases the node serves as they come and go. */
  readonly routing: RoutingTable | ClusterSource;
  /** The id of this node in the routing table. */
  readonly node: string;
  /**
   * Compares every row with the digests in the plan, which must contain them. Default: compares a sample of the rows,
   * if the plan contains a digest of it.
   */
  readonly verify?: boolean | undefined;
  /** Port of the first worker. The other workers use the following ports. 0 (default): any free ports. */
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
  /**
   * Room for the rows of another release beside the first one, as a share of its bytes. The system gives the memory only once it is used.
   * Default 0: another release gets memory of its own.
   */
  readonly headroom?: number | undefined;
  /** A port that all workers share. Connections spread unevenly over the workers, and not every system supports it. */
  readonly commonPort?: number | undefined;
  /** Serves by RDMA too, with this device; {}: the first device that works. Needs the package ibverbs-node. */
  readonly rdma?: DeviceChoice | undefined;
  /**
   * Where updates of rows come from. Needed if the plan has tables that take updates. Default: none.
   */
  readonly updates?: UpdateLogChoice | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly log?: Log | undefined;
}

const isLog = (value: unknown): boolean =>
  isObject(value) && ['debug', 'info', 'warn', 'error'].every((level) => typeof value[level] === 'function');

/** @internal */
export const anyLog: Schema<Log> = v.custom<Log>(
  isLog,
  'a log with the functions debug, info, warn and error',
);

/** Tables, routing and exposure are checked by other functions. @internal */
export const memoryNodeOptions: Schema<MemoryNodeOptions> = optionsOf({
  tables: given<TableSource>(tableSourceText),
  routing: given<RoutingTable | ClusterSource>('a routing table or a cluster'),
  node: v.string(),
  verify: v.optional(v.boolean()),
  ...listenFields,
  workers: v.optional(integer(1, workersMax)),
  headroom: v.optional(headroomShare),
  commonPort: v.optional(integer(0, portMax)),
  rdma: v.optional(deviceChoice),
  updates: v.optional(updateLogChoice),
  onProgress: v.optional(callback<(progress: LoadProgress) => void>()),
  log: v.optional(anyLog),
  sliceBytes: v.optional(numberWhere((bytes) => bytes > 0, 'bytes, more than 0')),
});
