// Row updates in a safetensors file: `keys_TT` (I64 or U64 [n]) and `rows_TT` (F32 [n, dim]), and `deletes_TT` (I64 or U64 [m]), for
// the TT-th table of the cluster.
import { FlexemrError } from '../errors.ts';
import type { ClusterUpdater } from '../host/cluster-updater.ts';
import { openUpdater } from '../host/open-updater.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { updateBytesAtOnce } from '../update-limits.ts';
import type { TableUpdates } from '../updates/row-updates.ts';
import type { ShardMark, UpdateMark } from '../updates/updater.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { tensorOf } from './requests.ts';
import { readSecurity, type SecurityOptions } from './security.ts';

export interface UpdateCommandOptions extends SecurityOptions, NatsOptions {
  readonly routing: string;
  readonly rows: string;
  /** Seconds, for the writing, and for the nodes. */
  readonly timeout?: number | undefined;
  /** False: ends when the stream has the rows, before nodes have applied them. */
  readonly wait: boolean;
}

/** What was written, and how far each shard is then. */
export interface UpdateReport {
  readonly rows: number;
  readonly deletes: number;
  /** By table and by the number of each shard. `number` is decimal text, because JSON has no integers of 64 bits. */
  readonly mark: Readonly<
    Record<string, Readonly<Record<string, { readonly incarnation: number; readonly number: string }>>>
  >;
  readonly seconds: number;
}

/** `flexemr update`: writes rows while they are served. @throws INVALID_FILE, and as ClusterUpdater.update */
export async function update(options: UpdateCommandOptions): Promise<UpdateReport> {
  const began = performance.now();
  const [nats, security] = [await readNats(options), await readSecurity(options)];
  await using file = await SafetensorsFile.open(options.rows);
  await using updater = await openUpdater({ routing: options.routing, nats, security });
  const specs = await updater.specs();
  const tables = specs.map((spec, i) => new TableOfFile(file, spec, i));
  checkTensors(file, tables);
  const deadline = options.timeout && options.timeout * 1_000;
  const mark: Record<string, Record<number, ShardMark>> = {};
  // All tables are checked before the first row is written.
  for (const table of tables) table.check();
  for (const table of tables) await writeTable(updater, table, mark, deadline);
  if (options.wait) await updater.applied(mark, { deadline });
  return {
    rows: tables.reduce((sum, { keys }) => sum + keys, 0),
    deletes: tables.reduce((sum, { deletes }) => sum + deletes, 0),
    mark: markText(mark),
    seconds: Math.round(performance.now() - began) / 1_000,
  };
}

async function writeTable(
  updater: ClusterUpdater,
  table: TableOfFile,
  mark: Record<string, Record<number, ShardMark>>,
  deadline: number | undefined,
): Promise<void> {
  for await (const updates of table.pieces()) {
    const written = await updater.update({ [table.name]: updates }, { deadline, until: 'written' });
    for (const [name, shards] of Object.entries(written)) mark[name] = { ...mark[name], ...shards };
  }
}

function markText(mark: UpdateMark): UpdateReport['mark'] {
  const text = ({ incarnation, number }: ShardMark) => ({ incarnation, number: String(number) });
  return Object.fromEntries(
    Object.entries(mark).map(([name, shards]) => [
      name,
      Object.fromEntries(Object.entries(shards).map(([shard, own]) => [shard, text(own)])),
    ]),
  );
}

/** The updates of one table in a file. */
class TableOfFile {
  readonly name: string;
  readonly keys: number;
  readonly deletes: number;
  readonly tensors: readonly string[];
  readonly #file: SafetensorsFile;
  readonly #dim: number;

  constructor(file: SafetensorsFile, { name, dim }: TableSpec, position: number) {
    this.name = name;
    this.tensors = ['keys', 'rows', 'deletes'].map((kind) => tensorOf(kind, position));
    this.#file = file;
    this.#dim = dim;
    const [keys, , deletes] = this.tensors.map((tensor) => file.tensors.get(tensor)?.shape[0] ?? 0);
    this.keys = keys;
    this.deletes = deletes;
  }

  /** @throws INVALID_FILE */
  check(): void {
    const [keys, rows, deletes] = this.tensors;
    this.#checkTensor(keys, ['I64', 'U64'], [this.keys]);
    this.#checkTensor(rows, ['F32'], [this.keys, this.#dim]);
    this.#checkTensor(deletes, ['I64', 'U64'], [this.deletes]);
    const both = [keys, rows].filter((tensor) => this.#file.tensors.has(tensor));
    if (both.length === 1) throw this.#refusal(both[0], `stands alone: give ${keys} and ${rows} together`);
  }

  #checkTensor(tensor: string, dtypes: readonly string[], shape: readonly number[]): void {
    const found = this.#file.tensors.get(tensor);
    if (found === undefined) return;
    const wanted = `${dtypes.join(' or ')} [${shape.join(', ')}] of table ${this.name}`;
    if (!dtypes.includes(found.dtype) || found.shape.join() !== shape.join())
      throw this.#refusal(tensor, `is ${found.dtype} [${found.shape.join(', ')}], but it must be ${wanted}`);
  }

  #refusal(tensor: string, problem: string): FlexemrError {
    return new FlexemrError('INVALID_FILE', `${this.#file.path}: ${tensor} ${problem}`, { field: tensor });
  }

  /** Rows that are written together, of a file that may be larger than memory. */
  async *pieces(): AsyncGenerator<TableUpdates> {
    const [keys, rows, deletes] = this.tensors;
    const rowBytes = this.#dim * 4;
    const most = Math.max(1, Math.floor(updateBytesAtOnce / (rowBytes + 8)));
    for (let first = 0; first < this.keys; first += most) {
      const count = Math.min(most, this.keys - first);
      const own = new Float32Array(count * this.#dim);
      await this.#file.readInto(rows, first * rowBytes, new Uint8Array(own.buffer));
      yield { keys: await this.#keysOf(keys, first, count), rows: own };
    }
    for (let first = 0; first < this.deletes; first += most)
      yield { deletes: await this.#keysOf(deletes, first, Math.min(most, this.deletes - first)) };
  }

  async #keysOf(tensor: string, first: number, count: number): Promise<BigUint64Array> {
    const keys = new BigUint64Array(count);
    await this.#file.readInto(tensor, first * 8, new Uint8Array(keys.buffer));
    return keys;
  }
}

/** @throws INVALID_FILE if there is a tensor for no table, or none at all */
function checkTensors(file: SafetensorsFile, tables: readonly TableOfFile[]): void {
  const known = new Set(tables.flatMap(({ tensors }) => tensors));
  const other = [...file.tensors.keys()].find((name) => !known.has(name));
  if (other === undefined && file.tensors.size > 0) return;
  const problem =
    other === undefined
      ? 'has no tensors'
      : `has a tensor ${other}, which is of none of the ${tables.length} tables`;
  const message = `${file.path}: ${problem}. Give keys_00 and rows_00, or deletes_00, for the first table, and so on`;
  throw new FlexemrError('INVALID_FILE', message, { field: other ?? 'rows' });
}
