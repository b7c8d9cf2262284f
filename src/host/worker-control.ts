// What the main thread of a memory node asks of its workers. Control only: no lookup passes here.
import type { Hosting } from '../memory-node/hosting.ts';
import type { WorkerStats } from '../memory-node/memory-node.ts';
import type { ListenerOptions } from '../transport/listener.ts';
import type { DeviceTokens } from '../transport/rdma/device.ts';
import type { ReadableShard } from '../transport/rdma/handshake.ts';

/** The device that the main thread has opened, and the rows that it lets rankers read. */
export interface RdmaServing {
  readonly device: DeviceTokens;
  readonly shards: readonly ReadableShard[];
}

export interface WorkerControl {
  /** Opens the worker's own port, and the common one if there is one. @returns its own port */
  listen(own: ListenerOptions, common: ListenerOptions | undefined): Promise<number>;
  /** Serves shards from now on. @param ports of all workers @param rdma by RDMA too */
  host(hosting: Hosting, ports: readonly number[], rdma: RdmaServing | undefined): Promise<void>;
  stats(): WorkerStats;
  /** Takes no more subrequests, answers those it holds, and closes its ports. */
  drain(): Promise<void>;
}
