import * as v from 'valibot';
import { check, checkFields, integer, named, options as optionsOf, typedArray } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { kernelModule } from '../kernel/files.ts';
import { threadsMax } from '../limits.ts';
import { BagReader } from '../lookup/bag-reader.ts';
import { unknownTable } from '../lookup/lookup-table.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { checkTableSpec, type TableSpec } from '../plan/table-spec.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import { type LoadOptions, loadOptions, loadTables } from '../store/load.ts';
import { Store, type StoreOptions, storeOptions } from '../store/store.ts';
import { TableBuilder } from '../store/table-builder.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { lookUpHere } from './local-lookup.ts';
import { LocalPlan } from './local-plan.ts';

export interface TablesOptions extends StoreOptions {
  /** Threads that share the work of lookups and of loading files; 1 (default) means only the calling thread. */
  readonly threads?: number | undefined;
}

const tablesFields = { ...storeOptions, threads: v.optional(integer(1, threadsMax)) };
const tablesOptions = optionsOf(tablesFields);

/** Rows given in memory. */
export interface Rows {
  /** f32 [rows, dim], stored in the table's dtype; or rows already in this dtype, in PyTorch's packed layout. */
  readonly rows: Float32Array | Uint8Array;
  /** The id of each row; if given, the table is indexed. */
  readonly ids?: BigUint64Array | BigInt64Array | undefined;
}

/** Other fields of the object are ignored. */
const givenRows = v.object({
  rows: typedArray<Float32Array | Uint8Array>('Float32Array', 'Uint8Array'),
  ids: v.optional(typedArray<BigUint64Array | BigInt64Array>('BigUint64Array', 'BigInt64Array')),
});

/** Embedding tables in shared WebAssembly memory, looked up in this process. */
export class Tables implements AsyncDisposable {
  readonly #store: Store;
  readonly #pool: ThreadPool;
  readonly #running: Set<Promise<unknown>> = new Set();
  readonly #reader = new BagReader();
  /** Memory for results. */
  readonly #results = new BufferPool();
  /** The tables as lookups see them; undefined after a change. */
  #plan: LocalPlan | undefined;

  /** @throws INVALID_OPTION */
  constructor(options: TablesOptions = {}) {
    const { threads = 1, ...room } = checkFields(tablesOptions, options);
    this.#store = new Store(kernelModule('shared'), room);
    this.#pool = new ThreadPool(threads, this.#store.arenas);
  }

  /** The specs of all tables. */
  get specs(): TableSpec[] {
    return [...this.#store.tables.values()].map(({ spec }) => spec);
  }

  /** Number of arenas in use, and the bytes reserved for them. */
  get arenas(): { readonly count: number; readonly bytes: number } {
    const { arenas } = this.#store;
    return { count: arenas.length, bytes: arenas.reduce((sum, { bytes }) => sum + bytes.length, 0) };
  }

  /**
   * Loads every table that a safetensors file lists.
   * @throws INVALID_FILE, INVALID_TABLE, INVALID_OPTION, OUT_OF_MEMORY
   */
  async load(source: TableSource, options: LoadOptions = {}): Promise<void> {
    checkFields(optionsOf(loadOptions), options);
    await using file = await openTableFile(source);
    try {
      await loadTables(this.#store, file, this.#pool, options);
    } finally {
      this.#replan();
    }
  }

  /** Adds a table whose rows are in memory. @throws INVALID_TABLE, LIMIT_EXCEEDED, OUT_OF_MEMORY */
  async add(spec: TableSpec, given: Rows): Promise<void> {
    const checked = checkTableSpec(spec);
    const { rows, ids } = checkRows(checked, given);
    const builder = new TableBuilder(this.#store, checked);
    try {
      if (rows instanceof Float32Array) {
        await builder.fill('f32', (first, bytes) => {
          const begin = rows.byteOffset + first * checked.dim * 4;
          bytes.set(new Uint8Array(rows.buffer, begin, bytes.byteLength));
        });
      } else builder.fillPacked(rows);
      this.#store.add(builder.build(ids));
      this.#replan();
    } catch (error) {
      builder.abandon();
      throw error;
    }
  }

  /**
   * Removes a table. Its memory is freed as soon as the lookups in flight have ended.
   * @throws UNKNOWN_TABLE, INVALID_OPTION
   */
  async remove(name: string): Promise<void> {
    check(v.string(), name, 'name');
    const { tables } = this.#store;
    const table = tables.get(name) ?? unknownTable(name, name, tables.keys());
    tables.delete(name);
    this.#replan();
    await Promise.allSettled(this.#running);
    this.#store.freeTable(table);
  }

  /**
   * Looks up bags of keys, feature by feature: all of them or, on any error, none.
   * @throws UNKNOWN_TABLE, INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED,
   *   OUT_OF_MEMORY, WORKER_FAILED
   */
  lookup(bags: KeyedBags): Promise<Lookup> {
    const lookup = this.#lookup(bags);
    // With one thread, it has already ended.
    if (this.#pool.threads > 1) {
      this.#running.add(lookup);
      const done = (): boolean => this.#running.delete(lookup);
      lookup.then(done, done);
    }
    return lookup;
  }

  async #lookup(bags: KeyedBags): Promise<Lookup> {
    check(named, bags, 'bags', 'INVALID_BAGS');
    // Even a lookup without tables needs some memory.
    if (this.#store.arenas.length === 0) this.#store.arenaWithSpace(0, 0);
    this.#plan ??= new LocalPlan(this.#store);
    return await lookUpHere(bags, {
      plan: this.#plan,
      reader: this.#reader,
      pool: this.#results,
      threads: this.#pool,
    });
  }

  /** The plan no longer describes the store. Lookups in flight keep it. */
  #replan(): void {
    const plan = this.#plan;
    this.#plan = undefined;
    if (this.#running.size === 0) plan?.close();
    else void Promise.allSettled(this.#running).then(() => plan?.close());
  }

  /** Ends the worker threads. Tables stay usable from the calling thread. */
  async close(): Promise<void> {
    // Also wait for lookups that begin in the meantime.
    do await Promise.allSettled(this.#running);
    while (this.#running.size > 0);
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens the tables of a safetensors file. @throws as Tables and Tables.load */
export async function openTables(
  source: TableSource,
  options: TablesOptions & LoadOptions = {},
): Promise<Tables> {
  checkFields(optionsOf({ ...tablesFields, ...loadOptions }), options);
  const { dtype, tables: overrides, onProgress, ...room } = options;
  const tables = new Tables(room);
  await tables.load(source, { dtype, tables: overrides, onProgress });
  return tables;
}

function checkRows({ name, rows, dim, dtype }: TableSpec, given: Rows): Rows {
  const { rows: data, ids } = checkFields(givenRows, given, 'rows', 'INVALID_TABLE');
  const expected = data instanceof Float32Array ? rows * dim : rows * rowBytes(dtype ?? 'f32', dim);
  if (data.length === expected) return { rows: data, ids };
  const unit = data instanceof Float32Array ? 'numbers' : 'packed bytes';
  const message = `table ${name}: ${data.length} ${unit} given, but ${rows} rows take ${expected}`;
  const position = Math.min(data.length, expected);
  throw new FlexemrError('INVALID_TABLE', message, { field: 'rows', position, value: data.length });
}
