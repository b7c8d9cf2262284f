import type * as Verbs from 'ibverbs-node';
import type { HostedShard, Hosting } from '../memory-node/hosting.ts';
import { noUpdates } from '../memory-node/update-record.ts';
import {
  closeDevice,
  type DeviceTokens,
  loadVerbs,
  type OpenDevice,
  openDevice,
  registerMemory,
  tokensOf,
} from '../transport/rdma/device.ts';
import type { DeviceChoice } from '../transport/rdma/device-choice.ts';
import type { ReadableShard } from '../transport/rdma/handshake.ts';

/** A registered range of rows, and the number of releases that use it. */
interface Region {
  readonly region: Verbs.MemoryRegion;
  uses: number;
}

/** An RDMA device, and the rows of each release of a node that are registered with it. Rankers can only read these rows. */
export class RegisteredTables {
  readonly #verbs: typeof Verbs;
  readonly #device: OpenDevice;
  /** By arena and address. */
  readonly #regions = new Map<string, Region>();
  readonly #releases = new Map<string, readonly string[]>();

  /** @throws MISSING_DEPENDENCY, UNAVAILABLE */
  static async open(choice: DeviceChoice): Promise<RegisteredTables> {
    const verbs = await loadVerbs();
    return new RegisteredTables(verbs, openDevice(verbs, choice));
  }

  private constructor(verbs: typeof Verbs, device: OpenDevice) {
    this.#verbs = verbs;
    this.#device = device;
  }

  get device(): DeviceTokens {
    return tokensOf(this.#device);
  }

  /** Registers the rows of a release. @throws OUT_OF_MEMORY if the system does not allow registering so many bytes */
  register(hosting: Hosting): void {
    const keys: string[] = [];
    this.#releases.set(hosting.description.plan, keys);
    for (const shard of readable(hosting)) {
      const key = keyOf(shard);
      const known = this.#regions.get(key) ?? { region: this.#register(hosting, shard), uses: 0 };
      this.#regions.set(key, known);
      known.uses++;
      keys.push(key);
    }
  }

  #register({ memories }: Hosting, { arena, rows }: HostedShard): Verbs.MemoryRegion {
    const bytes = new Uint8Array(memories[arena].buffer, rows.address, rows.rows * rows.rowBytes);
    return registerMemory(this.#verbs, this.#device, bytes, this.#verbs.access.remoteRead);
  }

  /** The rows of a release that rankers may read. */
  shards(hosting: Hosting): ReadableShard[] {
    return readable(hosting).flatMap((shard) => {
      const known = this.#regions.get(keyOf(shard));
      return known === undefined ? [] : [describe(shard, known.region)];
    });
  }

  /** READs of rows that only this release has fail afterwards, so that their memory can be used again. */
  deregister(plan: string): void {
    for (const key of this.#releases.get(plan) ?? []) {
      const known = this.#regions.get(key);
      if (known === undefined || --known.uses > 0) continue;
      this.#regions.delete(key);
      known.region.close();
    }
    this.#releases.delete(plan);
  }

  close(): void {
    for (const { region } of this.#regions.values()) region.close();
    closeDevice(this.#device);
  }
}

/**
 * Indexed shards are left out, because only their node can resolve ids to rows. So are shards that take updates: a card would read
 * rows while they change, and could not say which updates they have.
 */
function readable({ shards }: Hosting): HostedShard[] {
  return shards.filter(({ index, rows, updates }) => index === 0 && rows.rows > 0 && updates === noUpdates);
}

function keyOf({ arena, rows }: HostedShard): string {
  return `${arena} ${rows.address}`;
}

function describe({ number, version, rows }: HostedShard, region: Verbs.MemoryRegion): ReadableShard {
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
