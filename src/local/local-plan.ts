// The tables of this process, as lookups see them and as each arena serves them.
import * as layout from '../kernel/ask-layout.ts';
import { CHECKSUM_BYTES, INDEX_SCRATCH_BYTES, SCRATCH_BYTES } from '../kernel/layout.ts';
import { localFrameKeysMax, u32Max, untouchedBytesMax } from '../limits.ts';
import { LookupTable, unknownTable } from '../lookup/lookup-table.ts';
import { PlanMemory } from '../lookup/plan-memory.ts';
import type { HostedShard } from '../memory-node/hosting.ts';
import { ServedArena } from '../memory-node/served-arena.ts';
import { noUpdates } from '../memory-node/update-record.ts';
import type { AnswerMemory } from '../memory-node/worker-arena.ts';
import type { Arena } from '../store/arena.ts';
import { noSlot } from '../store/key-index.ts';
import type { Store } from '../store/store.ts';
import type { Table } from '../store/table.ts';

/** Memory that the calling thread needs in every arena, whatever it looks up. */
const scratchBytes: number = SCRATCH_BYTES + INDEX_SCRATCH_BYTES + CHECKSUM_BYTES;

/** Limits of frames that do not leave the process. Positions of exceptions have 30 bits. */
const limits = { subrequestBytes: u32Max, replyBytes: u32Max, subrequestKeys: localFrameKeysMax };

/** An arena with scratch memory for the calling thread. */
class LocalArena implements AnswerMemory {
  readonly arena: Arena;
  readonly kernels: Arena['kernels'];
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly slots: Arena['slots'];
  readonly scratch: number;
  readonly indexScratch: number;
  readonly checksum: number;

  /** @throws OUT_OF_MEMORY */
  constructor(arena: Arena) {
    this.arena = arena;
    this.kernels = arena.kernels;
    this.bytes = arena.bytes;
    this.words = arena.words;
    this.slots = arena.slots;
    this.scratch = slotIn(arena, scratchBytes);
    this.indexScratch = this.scratch + SCRATCH_BYTES;
    this.checksum = this.indexScratch + INDEX_SCRATCH_BYTES;
  }

  close(): void {
    this.slots.free(this.scratch, scratchBytes);
  }
}

/** Allocates a slot. @throws OUT_OF_MEMORY */
export function slotIn({ slots }: Pick<Arena, 'slots'>, bytes: number): number {
  const address = slots.allocate(bytes);
  if (address === undefined) throw noSlot(bytes, slots.largest);
  return address;
}

/** The plan of a store at one time. */
export class LocalPlan {
  readonly memory: PlanMemory;
  /** What each arena serves. Lookups are prepared in the first. */
  readonly served: readonly ServedArena<LocalArena>[];
  readonly #tables: ReadonlyMap<string, LookupTable>;

  /** @param store it has an arena @throws OUT_OF_MEMORY */
  constructor({ arenas, tables }: Store) {
    let number = 0;
    const shards: HostedShard[] = [];
    const known = [...tables.values()].map((table, place) => {
      const first = number;
      number += table.shards.length;
      shards.push(...hostedShards(table, first, arenas));
      return lookupTable(table, place, first, arenas);
    });
    this.#tables = new Map(known.map((table) => [table.spec.name, table]));
    const nodes = arenas.map((_, i) => `arena ${i}`);
    const memory = PlanMemory.write(arenas[0], { tables: known, nodes });
    if (memory === undefined) throw noSlot(known.length * layout.TABLE_BYTES, arenas[0].slots.largest);
    this.memory = memory;
    nodes.forEach((_, i) => {
      memory.setNode(i, { limits, readsRows: false });
    });
    const serving = { plan: 0n, replyBytes: u32Max, keysMax: u32Max, bagsMax: u32Max };
    this.served = arenas.map((arena, i) => {
      const own = shards.filter((shard) => shard.arena === i);
      return new ServedArena(new LocalArena(arena), i, { ...serving, shards: own });
    });
  }

  /** Bytes of slots that it takes in an arena, at most. */
  get bytes(): number {
    return this.served.reduce((sum, served) => sum + served.bytes + scratchBytes, this.memory.bytes) + 4_096;
  }

  /** Finds a table. @throws UNKNOWN_TABLE */
  readonly tableOf = (name: string, feature: string): LookupTable =>
    this.#tables.get(name) ?? unknownTable(name, feature, this.#tables.keys());

  /** Frees its memory. No lookup may use it. */
  close(): void {
    for (const served of this.served) {
      served.close();
      served.arena.close();
    }
    this.memory.free();
  }
}

/**
 * Whether ids become row numbers before `ask` gets them: an indexed table in several arenas has one index, and the index
 * may be in another arena than the rows.
 */
function isResolved({ index, shards }: Table): boolean {
  return index !== undefined && (shards.length > 1 || shards[0].arena !== index.extent.arena);
}

function lookupTable(table: Table, place: number, first: number, arenas: readonly Arena[]): LookupTable {
  const { spec, index, shards, padding } = table;
  const indexed = index !== undefined && !isResolved(table);
  const places = shards.map(({ arena, rows }, i) => {
    const last = indexed ? u32Max : rows.rowBase + rows.rows - 1;
    return { last, number: first + i, node: arenas.indexOf(arena) };
  });
  const resolved =
    index && !indexed
      ? { resolve: (ids: BigUint64Array | BigInt64Array) => index.find(ids), padding }
      : undefined;
  return new LookupTable(place, { spec, version: 0, indexed }, places, { resolved });
}

function hostedShards(table: Table, first: number, arenas: readonly Arena[]): HostedShard[] {
  const { spec, shards, padding } = table;
  const index = isResolved(table) ? undefined : table.index;
  return shards.map(({ arena, rows, bytes }, i) => ({
    ...{ number: first + i, version: 0, mode: spec.mode, missing: spec.missing ?? 'error', padding, rows },
    arena: arenas.indexOf(arena),
    index: index?.extent.address ?? 0,
    updates: noUpdates,
    touch: bytes > untouchedBytesMax,
  }));
}
