// Writes a routing table to memory, in the form that `ask` reads (kernel/ask-layout.ts).
import * as layout from '../kernel/ask-layout.ts';
import { missingCodes } from '../kernel/call.ts';
import { dtypeCodes } from '../kernel/dtype.ts';
import { modeCodes } from '../kernel/pooling-mode.ts';
import type { LookupMemory } from './lookup-memory.ts';
import type { LookupTable } from './lookup-table.ts';

/** A node's limits for one subrequest, and whether rows can be read without a request to it. */
export interface NodeState {
  readonly limits: {
    readonly subrequestBytes: number;
    readonly replyBytes: number;
    readonly subrequestKeys: number;
  };
  readonly readsRows: boolean;
}

/** What lookups know of a routing table. */
export interface LookupPlan {
  readonly tables: readonly LookupTable[];
  /** Ids of the nodes. */
  readonly nodes: readonly string[];
}

/** Bytes that a plan takes in memory. */
export function planBytes({ tables, nodes }: LookupPlan): number {
  const places = tables.reduce((sum, { shards }) => sum + shards.length, 0);
  const records = nodes.length * layout.NODE_BYTES + tables.length * layout.TABLE_BYTES;
  return layout.PLAN_BYTES + records + places * layout.PLACE_BYTES;
}

/** A routing table in a memory. */
export class PlanMemory {
  readonly memory: LookupMemory;
  readonly address: number;
  /** Ids of the nodes, in order. */
  readonly nodes: readonly string[];
  readonly bytes: number;
  readonly #nodeList: number;
  readonly #tableList: number;

  /** Returns undefined if the memory has no space for it. */
  static write(memory: LookupMemory, plan: LookupPlan): PlanMemory | undefined {
    const bytes = planBytes(plan);
    const address = memory.slots.allocate(bytes);
    return address === undefined ? undefined : new PlanMemory(memory, address, bytes, plan);
  }

  private constructor(memory: LookupMemory, address: number, bytes: number, { tables, nodes }: LookupPlan) {
    this.memory = memory;
    this.address = address;
    this.nodes = nodes;
    this.bytes = bytes;
    this.#nodeList = address + layout.PLAN_BYTES;
    this.#tableList = this.#nodeList + nodes.length * layout.NODE_BYTES;
    const { words } = memory;
    words[(address + layout.PLAN_NODES) >>> 2] = this.#nodeList;
    words[(address + layout.PLAN_NODE_COUNT) >>> 2] = nodes.length;
    words.set(crypto.getRandomValues(new Uint32Array(2)), (address + layout.PLAN_SEED) >>> 2);
    let places = this.#tableList + tables.length * layout.TABLE_BYTES;
    for (const table of tables) {
      this.#writeTable(table, places);
      for (const { last, number, node } of table.shards) {
        words[(places + layout.PLACE_LAST) >>> 2] = last;
        words[(places + layout.PLACE_NUMBER) >>> 2] = number;
        words[(places + layout.PLACE_NODE) >>> 2] = node;
        places += layout.PLACE_BYTES;
      }
    }
  }

  #writeTable(table: LookupTable, shards: number): void {
    const { spec, indexed, padding } = table;
    const at = this.table(table);
    const set = (field: number, value: number): void => {
      this.memory.words[(at + field) >>> 2] = value;
    };
    set(layout.TABLE_ROWS, spec.rows);
    set(layout.TABLE_DIM, spec.dim);
    set(layout.TABLE_DTYPE, dtypeCodes[table.dtype]);
    set(layout.TABLE_ROW_BYTES, table.rowBytes);
    set(layout.TABLE_MODE, modeCodes[spec.mode === 'none' ? 'sum' : spec.mode]);
    set(layout.TABLE_POOLED, Number(spec.mode !== 'none'));
    set(layout.TABLE_INDEXED, Number(indexed));
    set(layout.TABLE_MISSING, missingCodes[spec.missing ?? 'error']);
    set(layout.TABLE_HAS_DEFAULT, Number(spec.defaultRow !== undefined));
    set(layout.TABLE_HAS_PADDING, Number(padding !== undefined));
    set(layout.TABLE_PADDING, Number((padding ?? 0n) & 0xffffffffn));
    set(layout.TABLE_PADDING + 4, Number((padding ?? 0n) >> 32n));
    set(layout.TABLE_VERSION, table.version);
    set(layout.TABLE_SHARD_COUNT, table.shards.length);
    set(layout.TABLE_SHARDS, shards);
    set(layout.TABLE_NUMBER, table.cached.number);
    set(layout.TABLE_PIN, table.cached.pin);
    set(layout.TABLE_FOLLOWED, Number(table.cached.followed));
  }

  /** The address of a table's record. */
  table({ place }: LookupTable): number {
    return this.#tableList + place * layout.TABLE_BYTES;
  }

  /** Notes the current state of a node. */
  setNode(place: number, { limits, readsRows }: NodeState): void {
    const at = (this.#nodeList + place * layout.NODE_BYTES) >>> 2;
    const { words } = this.memory;
    words[at + (layout.NODE_SUBREQUEST_BYTES >>> 2)] = limits.subrequestBytes;
    words[at + (layout.NODE_REPLY_BYTES >>> 2)] = limits.replyBytes;
    words[at + (layout.NODE_KEYS >>> 2)] = limits.subrequestKeys;
    words[at + (layout.NODE_READS_ROWS >>> 2)] = Number(readsRows);
  }

  free(): void {
    this.memory.slots.free(this.address, this.bytes);
  }
}
