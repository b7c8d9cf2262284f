import * as v from 'valibot';
import { check, checkFields, integer, named, options as optionsOf, typedArray } from '../check.ts';
import { FlexemrError, show } from '../errors.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { kernelModule } from '../kernel/files.ts';
import { runCalls } from '../kernel/run-calls.ts';
import { threadedKeysMin, threadsMax } from '../limits.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { checkBags } from '../plan/checked-bags.ts';
import { checkTableSpec, type TableSpec } from '../plan/table-spec.ts';
import { type LoadOptions, loadOptions, loadTables } from '../store/load.ts';
import { Store, type StoreOptions, storeOptions } from '../store/store.ts';
import type { Table } from '../store/table.ts';
import { TableBuilder } from '../store/table-builder.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { FeatureLookup } from './feature.ts';
import { type Lookup, type Pooled, repeatPooled } from './pooled.ts';

class PooledFeatures extends Map<string, Pooled> implements Lookup {
  failures = [];
  [Symbol.dispose](): void {}
}

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
    await loadTables(this.#store, file, this.#pool, options);
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
    const table = this.#table(name, name);
    this.#store.tables.delete(name);
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
    this.#running.add(lookup);
    const done = (): boolean => this.#running.delete(lookup);
    lookup.then(done, done);
    return lookup;
  }

  async #lookup(bags: KeyedBags): Promise<Lookup> {
    check(named, bags, 'bags', 'INVALID_BAGS');
    const checked = Object.entries(bags).map(([feature, given]) => {
      const table = this.#table((given as Bags | undefined)?.table ?? feature, feature);
      return { feature, table, bags: checkBags(feature, given, table.index !== undefined, table.spec.mode) };
    });
    const keys = checked.reduce((sum, { bags }) => sum + bags.keys.length, 0);
    const parts = keys < threadedKeysMin ? 1 : this.#pool.threads;
    const features: FeatureLookup[] = [];
    try {
      for (const { feature, table, bags } of checked)
        features.push(new FeatureLookup(feature, table, bags, parts));
      await this.#run(features, parts);
      const values = new Float32Array(features.reduce((sum, { vectors, dim }) => sum + vectors * dim, 0));
      let begin = 0;
      const pooled = new PooledFeatures();
      for (const [i, feature] of features.entries()) {
        const own = values.subarray(begin, begin + feature.vectors * feature.dim);
        begin += own.length;
        const { feature: name, bags: asked } = checked[i];
        const results = feature.finish(own);
        pooled.set(name, asked.inverse === undefined ? results : repeatPooled(results, asked.inverse));
      }
      return pooled;
    } finally {
      for (const feature of features) feature.close();
    }
  }

  /** Runs every call of every feature. @throws the error of the first feature in which a call failed */
  async #run(features: readonly FeatureLookup[], parts: number): Promise<void> {
    const work = Array.from({ length: parts }, (_, part) => features.map((feature) => feature.calls(part)));
    const statuses =
      parts > 1
        ? await this.#pool.run(work.map((calls) => calls.flat()))
        : [runCalls(work[0].flat().map((call) => ({ ...call, kernels: call.arena.kernels })))];
    let next = 0;
    features.forEach((feature, i) => {
      const shards = work[0][i].length;
      const calls = work.flatMap((ofPart) => ofPart[i]);
      const own = statuses.flatMap((ofPart) => ofPart.slice(next, next + shards));
      next += shards;
      const error = feature.error(calls, own);
      if (error) throw error;
    });
  }

  #table(name: string, feature: string): Table {
    const table = this.#store.tables.get(name);
    if (table) return table;
    const some = [...this.#store.tables.keys()].slice(0, 5).join(', ');
    throw new FlexemrError(
      'UNKNOWN_TABLE',
      `${feature}: there is no table named ${show(name)} (known tables: ${some || 'none'})`,
      {
        field: feature,
        value: name,
      },
    );
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
