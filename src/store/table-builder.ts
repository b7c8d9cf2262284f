import { FlexemrError } from '../errors.ts';
import { dtypeCodes, isQuantised } from '../kernel/dtype.ts';
import * as layout from '../kernel/layout.ts';
import { indexedRowsMax, loadChunkBytesMax } from '../limits.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Extent } from './arena.ts';
import { becameShorter } from './disk-files.ts';
import { indexBytes, KeyIndex, noSlot, paddingSlot } from './key-index.ts';
import type { LoadedRows, RowsJob } from './load-rows.ts';
import { jobsOf, type StoredRows, takeStagings } from './rows-jobs.ts';
import { type FloatDtype, type SourceDtype, sourceCodes, sourceRowBytes } from './source-dtype.ts';
import type { AllocationOptions, Store } from './store.ts';
import type { Shard, Table } from './table.ts';
import type { ThreadPool } from './thread-pool.ts';

export interface BuildOptions extends AllocationOptions {
  /** Rows of the table that have no id, at its end. Default: 0. */
  readonly spare?: number | undefined;
  /** A shard that is there, whose rows and index are replaced. Default: memory is allocated. */
  readonly onto?: ShardExtents | undefined;
}

/** The memory of a shard, and of its index if it has one. */
export interface ShardExtents {
  readonly shard: Shard;
  readonly index: Extent | undefined;
}

/** A table under construction. Its memory is allocated; `build` makes it a table, `abandon` frees the memory. */
export class TableBuilder {
  readonly #store: Store;
  readonly #spec: TableSpec;
  readonly #shards: readonly Shard[];
  /** Whether all values of a shard are finite. Contains the shards that were checked while they were loaded. */
  readonly #finite = new Map<Shard, boolean>();
  readonly #spare: number;
  readonly #onto: ShardExtents | undefined;
  #index: KeyIndex | undefined;

  /** @throws as Store.allocateShards */
  constructor(store: Store, spec: TableSpec, { spare = 0, onto, ...options }: BuildOptions = {}) {
    this.#store = store;
    this.#spare = spare;
    this.#spec = spec;
    this.#onto = onto;
    this.#shards = onto ? [onto.shard] : store.allocateShards(spec, options);
  }

  /**
   * Fills every row from `read(first, bytes)`, which fills `bytes` with the source's rows from row `first` on.
   * Rows that are already in the table's dtype are read into their final place. Other rows are read into a staging
   * buffer and converted, one chunk at a time.
   * @throws INVALID_TABLE if a row cannot be quantised, and whatever `read` throws
   */
  async fill(
    source: SourceDtype,
    read: (first: number, bytes: Uint8Array) => Promise<void> | void,
  ): Promise<void> {
    for (const shard of this.#shards) {
      if (shard.rows.dtype === source) await this.#fillDirect(shard, read);
      else if (isQuantised(source)) throw new RangeError(`${source} rows cannot be converted`);
      else await this.#fillStaged(shard, source, read);
    }
  }

  /**
   * Loads every row from a file, with all threads of a pool.
   * @param from the place of the table's rows
   * @throws INVALID_TABLE if a row cannot be quantised, INVALID_FILE; of a server also UNAVAILABLE, UNAUTHORIZED
   */
  async load(
    source: SourceDtype,
    from: StoredRows,
    pool: ThreadPool,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    const { source: file, tensor } = from;
    for (const shard of this.#shards) {
      const stagings = takeStagings(shard, source, from, pool.threads);
      const jobs = jobsOf(shard, source, from, stagings.rows, pool.isPaced);
      let finite = true;
      const onLoaded = (loaded: LoadedRows, i: number): void => {
        const job = jobs[i];
        if (loaded.endedAt !== undefined) throw becameShorter(file.path, loaded.endedAt);
        if (loaded.badRow !== undefined)
          throw this.#notFinite('rows', shard.rows.rowBase + i * jobs[0].rows + loaded.badRow);
        finite &&= loaded.finite;
        onBytes(job.rows * job.sourceRowBytes);
      };
      const read = (job: RowsJob, target: Uint8Array, signal: AbortSignal): Promise<void> =>
        file.read(job.position, target, { tensor, signal });
      try {
        if (file.fd === undefined) await pool.loadRead(shard.arena, jobs, stagings.addresses, read, onLoaded);
        else await pool.load(shard.arena, jobs, stagings.addresses, onLoaded);
      } finally {
        for (const address of stagings.addresses) shard.arena.slots.free(address, stagings.bytes);
      }
      this.#finite.set(shard, finite);
    }
  }

  async #fillDirect(
    shard: Shard,
    read: (first: number, bytes: Uint8Array) => Promise<void> | void,
  ): Promise<void> {
    const { rows, rowBytes, rowBase } = shard.rows;
    const step = chunkRows(rowBytes);
    for (let row = 0; row < rows; row += step) {
      const begin = shard.address + row * rowBytes;
      await read(
        rowBase + row,
        shard.arena.bytes.subarray(begin, begin + Math.min(step, rows - row) * rowBytes),
      );
    }
  }

  async #fillStaged(
    shard: Shard,
    source: FloatDtype,
    read: (first: number, bytes: Uint8Array) => Promise<void> | void,
  ): Promise<void> {
    const { arena } = shard;
    const { rows, rowBase } = shard.rows;
    const stride = sourceRowBytes(source, this.#spec.dim);
    const step = Math.min(rows, chunkRows(stride), Math.max(1, Math.floor(arena.slots.largest / stride)));
    const staging = arena.slots.allocate(step * stride);
    if (staging === undefined) throw noSlot(step * stride, arena.slots.largest);
    try {
      for (let row = 0; row < rows; row += step) {
        const count = Math.min(step, rows - row);
        await read(rowBase + row, arena.bytes.subarray(staging, staging + count * stride));
        const bad = this.#encode(shard, staging, source, row, count);
        if (bad !== undefined) throw this.#notFinite('rows', rowBase + row + bad);
      }
    } finally {
      arena.slots.free(staging, step * stride);
    }
  }

  /** Encodes rows from a staging buffer. @returns the first row, counted from `row`, that cannot be quantised */
  #encode(shard: Shard, from: number, source: FloatDtype, row: number, count: number): number | undefined {
    const { address, rowBytes, dim, dtype } = shard.rows;
    const { kernels } = shard.arena;
    const out = address + row * rowBytes;
    const bad = kernels.encodeRows(from, sourceCodes[source], count, dim, dtypeCodes[dtype], out) >>> 0;
    return bad === layout.NONE ? undefined : bad;
  }

  #notFinite(field: 'rows' | 'defaultRow', position: number | undefined): FlexemrError {
    const { name, dtype } = this.#spec;
    const what = position === undefined ? 'the default row' : `row ${position}`;
    const message = `table ${name}: ${what} has NaN, Inf or too wide a range of values for ${dtype}; keep the table as f32`;
    return new FlexemrError('INVALID_TABLE', message, { field, position, value: dtype });
  }

  /** Copies rows that are already in the table's dtype, in the layout of PyTorch. `packed` contains all of them. */
  fillPacked(packed: Uint8Array): void {
    for (const { arena, address, rows } of this.#shards) {
      const begin = rows.rowBase * rows.rowBytes;
      arena.bytes.set(packed.subarray(begin, begin + rows.rows * rows.rowBytes), address);
    }
  }

  /** Returns the finished table. @param ids the id of each row, if the table is indexed @throws INVALID_TABLE */
  build(ids?: BigUint64Array | BigInt64Array): Table {
    this.#fillDefault();
    const shards = this.#shards.map((shard) => ({
      ...shard,
      rows: { ...shard.rows, finite: this.#isFinite(shard) },
    }));
    const index = ids && this.#buildIndex(ids);
    this.#index = index;
    const padding = index ? this.#spec.padding !== undefined && paddingSlot : this.#paddingRow();
    return {
      spec: this.#spec,
      dtype: this.#spec.dtype ?? 'f32',
      shards,
      index,
      padding: padding === false ? undefined : padding,
    };
  }

  #isFinite(shard: Shard): boolean {
    const { rows, defaultRow } = shard.rows;
    const loaded = this.#finite.get(shard) ?? areFinite(shard, 0, rows);
    return loaded && (defaultRow === 0 || areFinite(shard, rows, 1));
  }

  /** Frees the memory that it has allocated. */
  abandon(): void {
    if (this.#onto) return;
    for (const shard of this.#shards) this.#store.free(shard);
    if (this.#index) this.#store.free(this.#index.extent);
  }

  #fillDefault(): void {
    const { defaultRow } = this.#spec;
    const shard = this.#shards[this.#shards.length - 1];
    // Only the shard with the last row of the table has a place for the default row.
    if (defaultRow === undefined || shard.rows.defaultRow === 0) return;
    const bytes = defaultRow.length * 4;
    const staging = shard.arena.slots.allocate(bytes);
    if (staging === undefined) throw noSlot(bytes, shard.arena.slots.largest);
    new Float32Array(shard.arena.memory.buffer, staging, defaultRow.length).set(defaultRow);
    try {
      const bad = this.#encode(shard, staging, 'f32', shard.rows.rows, 1);
      if (bad !== undefined) throw this.#notFinite('defaultRow', undefined);
    } finally {
      shard.arena.slots.free(staging, bytes);
    }
  }

  #paddingRow(): number | undefined {
    const { padding, rows, name } = this.#spec;
    if (padding === undefined) return undefined;
    const row = Number(padding) < 0 ? rows + Number(padding) : Number(padding);
    if (row >= 0 && row < rows) return row;
    throw new FlexemrError(
      'INVALID_TABLE',
      `table ${name}: padding ${padding} is not one of its ${rows} rows`,
      {
        field: 'padding',
        value: padding,
      },
    );
  }

  #buildIndex(ids: BigUint64Array | BigInt64Array): KeyIndex {
    const { name, padding } = this.#spec;
    const rows = this.#spec.rows - this.#spare;
    if (ids.length !== rows) {
      throw new FlexemrError(
        'INVALID_TABLE',
        `table ${name}: ${ids.length} ids for ${rows} rows; give one id per row`,
        {
          field: 'ids',
          position: Math.min(ids.length, rows),
          value: ids.length,
        },
      );
    }
    if (rows > indexedRowsMax) {
      const message = `table ${name} has ${rows} rows with ids, but an indexed table has at most ${indexedRowsMax}`;
      throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'ids', value: rows });
    }
    const known = this.#onto?.index;
    const extent = known ?? this.#store.allocate(indexBytes(this.#spec.rows), 0, this.#shards[0].arena);
    try {
      return new KeyIndex(extent, name, ids, padding, this.#spare);
    } catch (error) {
      if (known === undefined) this.#store.free(extent);
      throw error;
    }
  }
}

/** Whether every value of `count` rows, from row `first` of the shard on, is finite. */
function areFinite({ arena, rows }: Shard, first: number, count: number): boolean {
  const address = rows.address + first * rows.rowBytes;
  return arena.kernels.rowsFinite(address, dtypeCodes[rows.dtype], count, rows.dim) === 1;
}

function chunkRows(rowBytes: number): number {
  return Math.max(1, Math.floor(loadChunkBytesMax / rowBytes));
}
