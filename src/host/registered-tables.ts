import type * as Verbs from 'ibverbs-node';
import type { HostedShard, Hosting } from '../memory-node/hosting.ts';
import {
  closeDevice,
  loadVerbs,
  type OpenDevice,
  openDevice,
  registerMemory,
  tokensOf,
} from '../transport/rdma/device.ts';
import type { DeviceChoice } from '../transport/rdma/device-choice.ts';
import type { ReadableShard } from '../transport/rdma/handshake.ts';
import type { RdmaServing } from './worker-control.ts';

/** An RDMA device and the rows of a node that are registered with it. Rankers can only read these rows. */
export class RegisteredTables {
  readonly serving: RdmaServing;
  readonly #device: OpenDevice;
  readonly #regions: readonly Verbs.MemoryRegion[];

  /** @throws MISSING_DEPENDENCY, UNAVAILABLE, OUT_OF_MEMORY if the system does not allow registering so many bytes */
  static async register(hosting: Hosting, choice: DeviceChoice): Promise<RegisteredTables> {
    const verbs = await loadVerbs();
    const device = openDevice(verbs, choice);
    const regions: Verbs.MemoryRegion[] = [];
    try {
      // Indexed shards are left out, because only their node can resolve ids to rows.
      const rowKeyed = hosting.shards.filter(({ index, rows }) => index === 0 && rows.rows > 0);
      for (const shard of rowKeyed)
        regions.push(registerMemory(verbs, device, bytesOf(hosting, shard), verbs.access.remoteRead));
      const shards = rowKeyed.map((shard, i) => readable(shard, regions[i]));
      return new RegisteredTables(device, regions, { device: tokensOf(device), shards });
    } catch (error) {
      for (const region of regions) region.close();
      closeDevice(device);
      throw error;
    }
  }

  private constructor(device: OpenDevice, regions: readonly Verbs.MemoryRegion[], serving: RdmaServing) {
    this.#device = device;
    this.#regions = regions;
    this.serving = serving;
  }

  /** Afterwards, RDMA READs of these rows fail. */
  close(): void {
    for (const region of this.#regions) region.close();
    closeDevice(this.#device);
  }
}

/** The bytes of a shard's rows. */
function bytesOf({ memories }: Hosting, { arena, rows }: HostedShard): Uint8Array {
  return new Uint8Array(memories[arena].buffer, rows.address, rows.rows * rows.rowBytes);
}

function readable({ number, version, rows }: HostedShard, region: Verbs.MemoryRegion): ReadableShard {
  return {
    shard: number,
    version,
    address: Number(region.address),
    rkey: region.rkey,
    begin: rows.rowBase,
    rows: rows.rows,
    rowBytes: rows.rowBytes,
  };
}
