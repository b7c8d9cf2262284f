// The rows of the tables, in one memory that all nodes of a simulation share, and a copy of them for the reference.
import { rowBytes } from '../../src/kernel/dtype.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import * as reference from '../../src/kernel/reference.ts';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { hostingsOf } from '../../src/memory-node/hostings.ts';
import { hostedShard } from '../../src/memory-node/load-shards.ts';
import { servedTables } from '../../src/memory-node/served-tables.ts';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import {
  holdersOf,
  type NumberedShard,
  numberedShards,
  type PlannedTable,
  type RoutingTable,
} from '../../src/plan/routing-table.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import { allocationAlignBytes } from '../../src/store/free-list.ts';
import { Store } from '../../src/store/store.ts';
import type { Table } from '../../src/store/table.ts';
import { TableBuilder } from '../../src/store/table-builder.ts';
import type { ModelTable } from '../30.plan/expected.ts';
import { cutOf, type Plan } from './plan.ts';

/** Every table in memory. Each worker of each node gets a share of the memory for its slots. */
export class SimulatedRows {
  /** What the reference needs of each table, by its cuts. */
  readonly models: ReadonlyMap<string, ModelTable>;
  readonly #store: Store;
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #slots: Hosting['slots'][];

  static async load(
    dice: Dice,
    { tables, recut, slotBytes }: Pick<Plan, 'tables' | 'recut' | 'slotBytes'>,
    slotRanges: number,
  ): Promise<SimulatedRows> {
    const store = new Store(kernelModule('shared'), { slotBytes: slotRanges * slotBytes });
    const loaded = new Map<string, Table>();
    const all = new Map([...tables, ...recut].map((table) => [cutOf(table), table]));
    let expect = [...all.values()].reduce(
      (sum, { spec, shards }) =>
        sum + spec.rows * rowBytes('f32', spec.dim) + shards.length * allocationAlignBytes,
      0,
    );
    // Their sums are rounded, so that bits depend on the cuts of a table.
    const values = new Map(
      tables.map(({ spec: { name, rows, dim } }) => [
        name,
        Float32Array.from({ length: rows * dim }, () => (dice.u32() % 2_001) / 7 - 125),
      ]),
    );
    for (const [cut, planned] of all) {
      const { dim, name } = planned.spec;
      const ranges = planned.shards.map(({ begin, end }) => ({ first: begin, rows: end - begin }));
      const builder = new TableBuilder(store, planned.spec, { expect, ranges });
      const given = values.get(name) ?? new Float32Array();
      await builder.fill('f32', (first, bytes) => {
        bytes.set(new Uint8Array(given.buffer, first * dim * 4, bytes.length));
      });
      loaded.set(cut, builder.build());
      expect = 0;
    }
    return new SimulatedRows(store, all, loaded, slotRanges);
  }

  private constructor(
    store: Store,
    planned: ReadonlyMap<string, PlannedTable>,
    tables: ReadonlyMap<string, Table>,
    slotRanges: number,
  ) {
    this.#store = store;
    this.#tables = tables;
    const nothing = { module: kernelModule('shared'), shards: [], plan: 0n };
    const description = { node: '', plan: '', tables: [] };
    this.#slots = hostingsOf(store, slotRanges, { ...nothing, description }).map(({ slots }) => slots);
    this.models = new Map([...planned].map(([cut, table]) => [cut, this.#model(cut, table)]));
  }

  /** The rows as they are stored. */
  #model(cut: string, { spec: { dim, mode, missing }, shards }: PlannedTable): ModelTable {
    const rows: Float32Array[] = [];
    for (const { arena, address, rows: stored } of this.#tables.get(cut)?.shards ?? []) {
      const bytes = arena.bytes.slice(address, address + stored.rows * stored.rowBytes);
      for (let row = 0; row < stored.rows; row++)
        rows.push(reference.decodeRow(bytes, stored.dtype, dim, row));
    }
    return { mode, dim, rows, missing, ends: shards.map(({ end }) => end) };
  }

  /** What a worker needs to serve the shards of a node. @param slots number of its share of the memory for slots */
  hosting(routing: RoutingTable, node: string, slots: number): Hosting {
    const own = numberedShards(routing).filter(({ shard }) => holdersOf(shard).includes(node));
    const shards = own.map((numbered) => this.#hosted(numbered));
    const plan = fingerprint(routing);
    const contents = Object.fromEntries(
      routing.tables.map(({ spec, content }) => [spec.name, content ?? '']),
    );
    const memories = this.#store.arenas.map(({ memory }) => memory);
    const description = {
      ...{ node, contents, plan: plan.toString(16).padStart(16, '0') },
      tables: servedTables(routing, shards),
    };
    return { module: kernelModule('shared'), memories, slots: this.#slots[slots], shards, plan, description };
  }

  #hosted(numbered: NumberedShard): Hosting['shards'][number] {
    const { spec, shards } = numbered.table;
    const table = this.#tables.get(cutOf(numbered.table));
    if (table === undefined) throw new RangeError(`there is no table ${spec.name}`);
    return hostedShard(this.#store, numbered, table, shards.indexOf(numbered.shard));
  }
}
