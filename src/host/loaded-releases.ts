// The rows of a memory node: those of all releases that it has loaded.
import { FlexemrError } from '../errors.ts';
import type { Hosting, SlotRange } from '../memory-node/hosting.ts';
import { slotShares } from '../memory-node/hostings.ts';
import { freeShard, type LoadedShard, ownShards } from '../memory-node/load-shards.ts';
import type { UpdatesHosting } from '../memory-node/node-updates.ts';
import type { UpdatedShard } from '../memory-node/row-writer.ts';
import { servedTables } from '../memory-node/served-tables.ts';
import { noUpdates } from '../memory-node/update-record.ts';
import { stagingBytes } from '../memory-node/writer-arena.ts';
import { fingerprint, meaning, planText } from '../plan/fingerprint.ts';
import type { NumberedShard, RoutingTable } from '../plan/routing-table.ts';
import type { Arena } from '../store/arena.ts';
import type { LoadProgress } from '../store/load.ts';
import type { Store } from '../store/store.ts';
import type { TableSource } from '../store/table-file.ts';
import type { ChainEnd } from '../updates/batch.ts';
import { chainName } from '../updates/chain-name.ts';

export interface NodeOptions {
  /** The id of the node whose shards are loaded. */
  readonly node: string;
  readonly workers: number;
  /** Room for the rows of another release, as a share of the bytes of the first one. Default: 0. */
  readonly headroom?: number | undefined;
  /** Compares every row with the digests in the plan. */
  readonly verify?: boolean | undefined;
  /** Whether a thread of the node writes row updates: it has memory of its own in each arena. Default: false. */
  readonly takesUpdates?: boolean | undefined;
}

/** A routing table, and the safetensors file of its tables. */
export interface LoadedRelease {
  readonly routing: RoutingTable;
  readonly tables: TableSource;
}

export interface LoadReleaseOptions {
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Workers answer lookups meanwhile. One thread loads, and it rests most of the time. Default: as many threads as workers load. */
  readonly besideLookups?: boolean | undefined;
}

/** Reads rows into memory. */
export interface ShardReader {
  /** Of the arenas. */
  readonly module: WebAssembly.Module;
  /** Where the rows are. The slots of its arenas are for workers, but for `spareBytes`. */
  readonly store: Store;
  readonly spareBytes: number;
  /** @returns the shards, and the digest of each planned table in the file. If one fails, none stays in memory */
  read(
    release: LoadedRelease,
    shards: readonly NumberedShard[],
    options: LoadReleaseOptions,
  ): Promise<{ readonly loaded: readonly LoadedShard[]; readonly contents: Record<string, string> }>;
  /**
   * Reads the rows of a shard again, to where they are. Nobody may read or write them meanwhile.
   * @returns which row updates they have; undefined: none @throws as `read`
   */
  reload(shard: LoadedShard, tables: TableSource): Promise<ChainEnd | undefined>;
}

/** A shard in memory, and the number of releases that use it. */
interface Unit extends LoadedShard {
  /** Where its rows are read again from. */
  tables: TableSource;
  /** Ends when they were read again last. */
  reloaded: Promise<unknown>;
  uses: number;
}

/** What workers need to serve a release, but for their slots; and its shards. */
interface Served extends Omit<Hosting, 'memories' | 'slots'> {
  readonly keys: readonly string[];
}

/**
 * The releases that a node has loaded. Shards that two of them have in common are in memory once. The workers share the rows. Each
 * worker has its own slots, so no two workers write to the same memory.
 */
export class LoadedReleases {
  readonly #options: Pick<NodeOptions, 'node' | 'workers' | 'takesUpdates'>;
  readonly #reader: ShardReader;
  readonly #units = new Map<string, Unit>();
  readonly #served = new Map<string, Served>();
  /** The slots of each worker, of each arena. */
  readonly #slots: SlotRange[][] = [];
  /** Memory of the thread that writes row updates, in each arena. */
  readonly #staging: number[] = [];

  /** @param options already checked */
  constructor(options: Pick<NodeOptions, 'node' | 'workers' | 'takesUpdates'>, reader: ShardReader) {
    this.#options = options;
    this.#reader = reader;
  }

  /** Fingerprints of the releases, as 16 hexadecimal digits. */
  get plans(): string[] {
    return [...this.#served.keys()];
  }

  has(plan: string): boolean {
    return this.#served.has(plan);
  }

  /**
   * Loads the shards of the node that are not in memory yet.
   * @returns the fingerprint of the release @throws INVALID_ROUTING, INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY
   */
  async load({ routing, tables }: LoadedRelease, options: LoadReleaseOptions = {}): Promise<string> {
    const { node } = this.#options;
    const plan = fingerprint(routing);
    const name = planText(plan);
    if (this.has(name)) return name;
    checkUpdated(routing);
    const own = ownShards({ routing, node }).map((shard) => ({ key: keyOf(shard, name), shard }));
    const missing = own.filter(({ key }) => !this.#units.has(key)).map(({ shard }) => shard);
    const contents =
      missing.length === 0
        ? plannedContents(routing)
        : await this.#read({ routing, tables }, missing, name, options);
    const { module, store, spareBytes } = this.#reader;
    if (store.arenas.length === 0) store.arenaWithSpace(0, 0);
    for (const arena of store.arenas.slice(this.#slots.length)) {
      if (this.#options.takesUpdates) this.#staging.push(stagingIn(arena));
      this.#slots.push(slotShares(arena, this.#options.workers, spareBytes));
    }
    const units = own.map(({ key }) => this.#units.get(key) as Unit);
    for (const unit of units) unit.uses++;
    const shards = units.map(({ hosted }, i) => ({ ...hosted, number: own[i].shard.number }));
    const description = { node, plan: name, contents, tables: servedTables(routing, shards) };
    const keys = own.map(({ key }) => key);
    this.#served.set(name, { module, shards, plan, description, keys });
    return name;
  }

  async #read(
    release: LoadedRelease,
    missing: readonly NumberedShard[],
    plan: string,
    options: LoadReleaseOptions,
  ): Promise<Record<string, string>> {
    const { loaded, contents } = await this.#reader.read(release, missing, options);
    const { tables } = release;
    const reloaded = Promise.resolve();
    for (const shard of loaded)
      this.#units.set(keyOf(shard.planned, plan), { ...shard, tables, reloaded, uses: 0 });
    return contents;
  }

  /** The tables of a release are somewhere else now: rows that are read again come from there. */
  moved(plan: string, tables: TableSource): void {
    for (const key of this.#served.get(plan)?.keys ?? []) (this.#units.get(key) as Unit).tables = tables;
  }

  /** What the thread that writes row updates has to know of some releases. */
  updatesOf(plans: readonly string[]): UpdatesHosting {
    const keys = new Set(plans.flatMap((plan) => this.#served.get(plan)?.keys ?? []));
    const shards = [...keys]
      .map((key) => this.#units.get(key) as Unit)
      .filter(({ hosted }) => hosted.updates !== noUpdates);
    return {
      module: this.#reader.module,
      memories: this.#memories,
      staging: this.#staging,
      shards: shards.map(updatedShard),
    };
  }

  /**
   * Reads the rows of a shard again from its file, to where they are. No worker may read them meanwhile.
   * @param chain the name of its chain of updates @returns which of them the rows have; undefined: none @throws as load
   */
  async reload(chain: string): Promise<ChainEnd | undefined> {
    const found = [...this.#units].find(([, { planned }]) => chainName(planned) === chain);
    // Its release has gone meanwhile.
    if (found === undefined) return undefined;
    const [key, unit] = found;
    unit.uses++;
    // Whoever has asked before may have died. What was begun for him must not be written over what is read now.
    const done = unit.reloaded.then(() => this.#reader.reload(unit, unit.tables));
    unit.reloaded = done.catch(() => {});
    try {
      return await done;
    } finally {
      this.#unuse(key, unit);
    }
  }

  #unuse(key: string, unit: Unit): void {
    if (--unit.uses > 0) return;
    this.#units.delete(key);
    freeShard(this.#reader.store, unit);
  }

  /** Those of arenas that have slots. A load that is under way, or has failed, may have made one that has none yet. */
  get #memories(): WebAssembly.Memory[] {
    return this.#reader.store.arenas.slice(0, this.#slots.length).map(({ memory }) => memory);
  }

  /** What each worker needs to serve a release. */
  hostings(plan: string): Hosting[] {
    const { keys: _, ...served } = this.#served.get(plan) as Served;
    return Array.from({ length: this.#options.workers }, (_, worker) => {
      return { ...served, memories: this.#memories, slots: this.#slots.map((shares) => shares[worker]) };
    });
  }

  /** Frees the rows that only this release has. No worker may use them any more. */
  free(plan: string): void {
    const served = this.#served.get(plan);
    this.#served.delete(plan);
    for (const key of served?.keys ?? []) {
      this.#unuse(key, this.#units.get(key) as Unit);
    }
  }

  /** What the node holds, and how many bytes that takes. */
  get held(): { tables: number; rows: number; rowBytes: number; arenaBytes: number } {
    const names = [...this.#served.values()].flatMap(({ description: { tables } }) =>
      tables.map(({ name }) => name),
    );
    const shards = [...this.#units.values()].map(({ hosted }) => hosted);
    return {
      tables: new Set(names).size,
      rows: sum(shards.map(({ rows, spare = 0 }) => rows.rows - spare)),
      rowBytes: sum(shards.map(({ rows }) => rows.rows * rows.rowBytes)),
      arenaBytes: sum(this.#reader.store.arenas.map(({ bytes }) => bytes.byteLength)),
    };
  }
}

/** Batches of updates belong to rows, so it must be known which rows these are. @throws INVALID_ROUTING */
function checkUpdated({ tables }: RoutingTable): void {
  const unknown = tables.find(({ updates, content }) => updates && content === undefined);
  if (unknown === undefined) return;
  const { name } = unknown.spec;
  const message = `table ${name} takes updates, but its plan has no digest of its rows: plan it from its file`;
  throw new FlexemrError('INVALID_ROUTING', message, { field: 'updates', value: name });
}

/** Shards with the same key have the same rows. A plan without a digest of the rows has no rows in common with another one. */
function keyOf({ number, table, shard }: NumberedShard, plan: string): string {
  if (table.content === undefined) return `${plan} ${number}`;
  return JSON.stringify(meaning(table, [shard.begin, shard.end]));
}

function stagingIn({ slots }: Arena): number {
  const staging = slots.allocate(stagingBytes);
  if (staging === undefined)
    throw new RangeError(`an arena has no space for ${stagingBytes} bytes of staging`);
  return staging;
}

function updatedShard({ planned, hosted: { arena, rows, index, updates } }: Unit): UpdatedShard {
  const { table, shard } = planned;
  const { begin, end } = shard;
  return { arena, rows, index, updates, chain: chainName(planned), table: table.spec.name, begin, end };
}

function plannedContents({ tables }: RoutingTable): Record<string, string> {
  return Object.fromEntries(
    tables.flatMap(({ spec, content }) => (content === undefined ? [] : [[spec.name, content]])),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
