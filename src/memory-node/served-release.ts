import { segmentBagsMax, subrequestKeysMax } from '../limits.ts';
import type { ReleaseStatus } from '../wire/handler.ts';
import { SUBREQUEST_PLAN } from '../wire/layout.ts';
import type { Hosting } from './hosting.ts';
import type { JsonLookups } from './json-lookup.ts';
import { limitsOf } from './places.ts';
import { ServedArena } from './served-arena.ts';
import { noUpdates, UpdateRecord } from './update-record.ts';
import type { WorkerArena } from './worker-arena.ts';

/** A routing table that a worker serves, with its shards. Kernels read a description of them in each arena. */
export class ServedRelease {
  readonly hosting: Hosting;
  /** Made by its first lookup in JSON. */
  json: JsonLookups | undefined;
  readonly #arenas: readonly WorkerArena[];
  readonly #served: (ServedArena<WorkerArena> | undefined)[] = [];
  readonly #arenaOf: ReadonlyMap<number, number>;
  readonly #planLow: number;
  readonly #planHigh: number;
  /** Subrequests that it answers, or whose replies are still in its arenas. */
  #held = 0;
  #usedAt = performance.now();
  #onUnused: (() => void) | undefined;

  /** @param arenas of the worker, to which more may be added @throws RangeError if its slots have no space for the descriptions */
  constructor(hosting: Hosting, arenas: readonly WorkerArena[]) {
    this.hosting = hosting;
    this.#arenas = arenas;
    this.#planLow = Number(hosting.plan & 0xffffffffn);
    this.#planHigh = Number(hosting.plan >> 32n);
    this.#arenaOf = new Map(hosting.shards.map(({ number, arena }) => [number, arena]));
    try {
      for (const number of new Set([this.home, ...this.#arenaOf.values()])) this.#describe(number);
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** Number of the arena in which frames need not be copied: the one with most bytes of its rows. */
  get home(): number {
    const bytes = new Array<number>(this.#arenas.length).fill(0);
    for (const { arena, rows } of this.hosting.shards) bytes[arena] += rows.rows * rows.rowBytes;
    return bytes.indexOf(Math.max(...bytes));
  }

  get status(): ReleaseStatus {
    const { plan, contents } = this.hosting.description;
    const idleMs = this.#held > 0 ? 0 : Math.floor(performance.now() - this.#usedAt);
    return { plan, state: 'ready', idleMs, contents };
  }

  /** What it says of its tables, with the row updates that their rows have now. */
  get description(): Hosting['description'] {
    const { description } = this.hosting;
    const updated = new Map(
      this.hosting.shards
        .filter(({ updates }) => updates !== noUpdates)
        .map((shard) => [shard.number, shard]),
    );
    if (updated.size === 0) return description;
    const tables = description.tables.map((table) => ({
      ...table,
      shards: table.shards.map((listed) => {
        const shard = updated.get(listed.shard);
        if (shard === undefined) return listed;
        const { words, longs } = this.#arenas[shard.arena];
        const { incarnation, number } = new UpdateRecord({ words, longs }, shard.updates).updatedTo;
        return { ...listed, updates: { incarnation, number: String(number) } };
      }),
    }));
    return { ...description, tables };
  }

  /** Whether a frame was planned for it. @param head address of the frame's header */
  isOf({ words }: WorkerArena, head: number): boolean {
    const at = (head + SUBREQUEST_PLAN) >>> 2;
    return words[at] === this.#planLow && words[at + 1] === this.#planHigh;
  }

  /** Its description in the arena of a frame. Undefined if there is no space for one now. */
  in(arena: WorkerArena): ServedArena<WorkerArena> | undefined {
    const number = this.#arenas.indexOf(arena);
    try {
      return this.#served[number] ?? this.#describe(number);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** The description in the arena that holds the rows of a shard, which it serves. */
  readonly arenaOf = (shard: number): ServedArena<WorkerArena> =>
    this.#served[this.#arenaOf.get(shard) ?? this.home] as ServedArena<WorkerArena>;

  #describe(number: number): ServedArena<WorkerArena> {
    const { plan, shards } = this.hosting;
    const arena = this.#arenas[number];
    const { replyBytes } = limitsOf(arena.slots.bytes);
    const [keysMax, bagsMax] = [subrequestKeysMax, segmentBagsMax];
    const served = new ServedArena(arena, number, { plan, replyBytes, keysMax, bagsMax, shards });
    this.#served[number] = served;
    return served;
  }

  /** A subrequest begins to use its rows, or does not need them any more. */
  begin(): void {
    this.#held++;
  }

  end(): void {
    this.#held--;
    this.#usedAt = performance.now();
    if (this.#held === 0) this.#onUnused?.();
  }

  /** No subrequest begins to use it any more. Frees its descriptions. @returns once no subrequest uses its rows */
  async retire(): Promise<void> {
    if (this.#held > 0)
      await new Promise<void>((resolve) => {
        this.#onUnused = resolve;
      });
    this.#free();
  }

  #free(): void {
    for (const served of this.#served) served?.close();
    this.#served.length = 0;
  }
}
