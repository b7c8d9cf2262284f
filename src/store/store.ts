import * as v from 'valibot';
import { integer, type Optional } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import type { ShardRows } from '../kernel/call.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { shardBytesMax, slotBytesDefault, slotBytesMax, slotBytesMin, tablesMax } from '../limits.ts';
import { shardRowsMax } from '../plan/shard-size.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { Arena, type Extent } from './arena.ts';
import { allocatedBytes } from './free-list.ts';
import type { Shard, Table } from './table.ts';

export interface StoreOptions {
  /** Bytes in each arena for lookups in flight. */
  readonly slotBytes?: number | undefined;
  /** Bytes of rows in one arena. Larger tables are split. This changes plan boundaries, and so the bits of results. */
  readonly shardBytes?: number | undefined;
}

/** Schemas of `StoreOptions`. @internal */
export const storeOptions: { readonly slotBytes: Optional<number>; readonly shardBytes: Optional<number> } = {
  slotBytes: v.optional(integer(slotBytesMin, slotBytesMax)),
  shardBytes: v.optional(integer(1, shardBytesMax)),
};

/** How to allocate the rows of a table. */
export interface AllocationOptions {
  /** Bytes of rows that the caller will still add to the store. A new arena is made large enough for them. */
  readonly expect?: number | undefined;
  /** The row ranges to allocate, in order. Default: all rows, split if they do not fit in one arena. */
  readonly ranges?: Iterable<RowRange> | undefined;
  /** An arena to prefer. */
  readonly beside?: Arena | undefined;
  /** Bytes behind the rows of each shard. They begin at a cache line. Default: 0. */
  readonly behind?: number | undefined;
}

/** A set of arenas and the tables in them. */
export class Store {
  readonly arenas: Arena[] = [];
  readonly tables: Map<string, Table> = new Map();
  readonly #module: WebAssembly.Module;
  readonly #slotBytes: number;
  readonly #shardBytes: number;

  /** @param options already checked */
  constructor(module: WebAssembly.Module, options: StoreOptions = {}) {
    this.#module = module;
    this.#slotBytes = options.slotBytes ?? slotBytesDefault;
    this.#shardBytes = options.shardBytes ?? shardBytesMax;
  }

  /**
   * Allocates memory for a table's rows. Rows that do not fit in one arena are split. By default the split depends on
   * the shape of the table only, so the same table always has the same plan boundaries. `ranges` gives another split.
   * @throws LIMIT_EXCEEDED, INVALID_TABLE if the name is already used, OUT_OF_MEMORY
   */
  allocateShards(
    spec: TableSpec,
    { expect = 0, ranges, beside, behind = 0 }: AllocationOptions = {},
  ): Shard[] {
    if (this.tables.has(spec.name)) throw nameTaken(spec.name);
    if (this.tables.size >= tablesMax) {
      throw new FlexemrError('LIMIT_EXCEEDED', `a store holds at most ${tablesMax} tables`, {
        field: 'tables',
      });
    }
    const stride = rowBytes(spec.dtype ?? 'f32', spec.dim);
    const shards: Shard[] = [];
    try {
      for (const { first, rows } of ranges ?? shardRanges(spec, this.#shardBytes)) {
        const last = first + rows === spec.rows;
        const withDefault = last && spec.defaultRow !== undefined;
        const bytes = (rows + Number(withDefault)) * stride;
        const extent = this.allocate(behind === 0 ? bytes : allocatedBytes(bytes) + behind, expect, beside);
        const shard: ShardRows = {
          address: extent.address,
          rows,
          rowBase: first,
          tableRows: spec.rows,
          rowBytes: stride,
          dim: spec.dim,
          dtype: spec.dtype ?? 'f32',
          finite: false,
          defaultRow: withDefault ? extent.address + rows * stride : 0,
          last,
        };
        shards.push({ ...extent, rows: shard });
      }
      return shards;
    } catch (error) {
      for (const shard of shards) this.free(shard);
      throw error;
    }
  }

  /**
   * Allocates memory for rows: in `beside`, else in the first arena that has space, else in a new arena.
   * @param expect bytes that will still be added, counting these: a new arena has space for them, up to the shard size
   */
  allocate(bytes: number, expect: number, beside?: Arena): Extent {
    for (const arena of beside ? [beside, ...this.arenas] : this.arenas) {
      const address = arena.rows.allocate(bytes);
      if (address !== undefined) return { arena, address, bytes };
    }
    const size = allocatedBytes(Math.max(bytes, Math.min(expect, this.#shardBytes)));
    const arena = new Arena(this.#module, size, this.#slotBytes);
    this.arenas.push(arena);
    const address = arena.rows.allocate(bytes);
    if (address === undefined)
      throw new RangeError(`an arena of ${size} bytes has no space for ${bytes} bytes`);
    return { arena, address, bytes };
  }

  /** An arena with `bytes` of free memory in one piece: an existing arena or a new one. */
  arenaWithSpace(bytes: number, expect: number): Arena {
    const room = this.allocate(bytes, expect);
    this.free(room);
    return room.arena;
  }

  free({ arena, address, bytes }: Extent): void {
    arena.rows.free(address, bytes);
  }

  add(table: Table): void {
    if (this.tables.has(table.spec.name)) throw nameTaken(table.spec.name);
    this.tables.set(table.spec.name, table);
  }

  /** Frees the memory of a table that no lookup uses any more. */
  freeTable(table: Table): void {
    for (const shard of table.shards) this.free(shard);
    if (table.index) this.free(table.index.extent);
  }
}

/** A range of rows of a table. */
export interface RowRange {
  readonly first: number;
  readonly rows: number;
}

/** Row ranges of a table's shards. Each has as many rows as fit, and the last one has the rest. */
export function* shardRanges(
  spec: Pick<TableSpec, 'rows' | 'dim' | 'dtype'>,
  shardBytes: number = shardBytesMax,
): Generator<RowRange> {
  const perShard = shardRowsMax(spec, shardBytes);
  for (let first = 0; first < spec.rows; first += perShard) {
    yield { first, rows: Math.min(perShard, spec.rows - first) };
  }
}

function nameTaken(name: string): FlexemrError {
  return new FlexemrError('INVALID_TABLE', `there is already a table named "${name}"; remove it first`, {
    field: 'name',
    value: name,
  });
}
