import type { Log } from '../log.ts';
import { heardBytesMax } from '../update-limits.ts';
import type { ChainEnd } from '../updates/batch.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import { Applier } from './applier.ts';
import { FollowedShard } from './followed-shard.ts';
import type { HeardRoom } from './heard-batches.ts';
import { RowWriter, type UpdatedShard } from './row-writer.ts';
import { UpdateCounts, type UpdateStats } from './update-counts.ts';
import { WriterArena } from './writer-arena.ts';
import type { MeasuredGate } from './writer-gate.ts';

/** What the thread that writes rows needs to know of the memories of a node. Plain data and shared memories. */
export interface UpdatesHosting {
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
  /** Address of `stagingBytes` in each memory. */
  readonly staging: readonly number[];
  readonly shards: readonly UpdatedShard[];
}

/** Reads the rows of a shard again from where they came, by the name of its chain. @returns the batches that they have; undefined: none */
export type Reload = (chain: string) => Promise<ChainEnd | undefined>;

/** What it has done since it began. */
export interface NodeUpdatesStats extends UpdateStats {
  /** µs for which no worker could read rows. */
  readonly gateUs: number;
  /** Whether the log does not answer. */
  readonly isAway: boolean;
}

/** What a node has done that takes no updates. */
export const emptyUpdates: NodeUpdatesStats = { ...new UpdateCounts(), gateUs: 0, isAway: false };

/** The row updates of a node: all of its shards that take updates follow their chains. */
export class NodeUpdates {
  readonly #gate: MeasuredGate;
  readonly #applier: Applier;
  readonly #reload: Reload;
  readonly #log: Log | undefined;
  readonly #counts = new UpdateCounts();
  readonly #room: HeardRoom = { bytes: heardBytesMax };
  readonly #arenas: WriterArena[] = [];
  readonly #shards = new Map<string, FollowedShard>();

  /** @param reload reads the rows of a shard again from where they came, by the name of its chain */
  constructor(updates: UpdateLog, gate: MeasuredGate, reload: Reload, log?: Log) {
    this.#gate = gate;
    this.#reload = reload;
    this.#log = log;
    this.#applier = new Applier(updates, log);
  }

  /** Follows the chains of these shards from now on, and no others. @returns once it writes to no others any more */
  async host({ module, memories, staging, shards }: UpdatesHosting): Promise<void> {
    for (let i = this.#arenas.length; i < memories.length; i++)
      this.#arenas.push(new WriterArena(module, memories[i], staging[i]));
    const chains = new Set(shards.map(({ chain }) => chain));
    const gone = [...this.#shards.keys()].filter((chain) => !chains.has(chain));
    for (const chain of gone) this.#shards.delete(chain);
    await this.#applier.unfollow(gone);
    for (const shard of shards) if (!this.#shards.has(shard.chain)) this.#follow(shard);
  }

  #follow(shard: UpdatedShard): void {
    const { chain, table } = shard;
    const writer = new RowWriter(shard, this.#arenas[shard.arena], this.#gate);
    const reload = (): ReturnType<Reload> => this.#reload(chain);
    const [counts, room, log] = [this.#counts, this.#room, this.#log];
    const followed = new FollowedShard({ chain, table, writer, reload, counts, room, log });
    this.#shards.set(chain, followed);
    this.#applier.follow(followed);
  }

  /** Resolves once all shards have what the log had when they were followed. @throws CONFLICT */
  async caughtUp(): Promise<void> {
    await Promise.all([...this.#shards.values()].map(({ caughtUp }) => caughtUp));
  }

  get stats(): NodeUpdatesStats {
    return { ...this.#counts, gateUs: this.#gate.heldUs, isAway: this.#applier.isAway };
  }

  /** @returns once no batch is being written */
  async close(): Promise<void> {
    await this.#applier.close();
  }
}
