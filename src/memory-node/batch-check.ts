// What a batch of row updates must be like to change rows. Whoever has a shard checks in the same way, so all have the same rows.
import { FlexemrError } from '../errors.ts';
import { type DType, dtypeCodes } from '../kernel/dtype.ts';
import { F32, NONE } from '../kernel/layout.ts';
import { batchBytesMax, batchRowsMax } from '../update-limits.ts';
import { type BatchRows, batchBytes } from '../updates/batch.ts';
import type { WriterArena } from './writer-arena.ts';

/** The shard that a batch is for. */
export interface CheckedShard {
  /** Its table, for messages. */
  readonly table: string;
  readonly dtype: DType;
  readonly dim: number;
  readonly indexed: boolean;
  /** Its rows are [begin, end). Of an indexed table: the hashes of its ids. */
  readonly begin: number;
  readonly end: number;
}

export class BatchCheck {
  readonly #shard: CheckedShard;
  readonly #arena: WriterArena;

  constructor(shard: CheckedShard, arena: WriterArena) {
    this.#shard = shard;
    this.#arena = arena;
  }

  /** Why a batch of these keys changes nothing, if it does not fit the shard. */
  refuses(batch: BatchRows, dim: number): FlexemrError | undefined {
    return (
      this.#checkForm(batch, dim) ?? (this.#shard.indexed ? this.#checkIds(batch) : this.#checkRows(batch))
    );
  }

  #checkForm({ keys, rows, deletes }: BatchRows, dim: number): FlexemrError | undefined {
    const wanted = this.#shard.dim;
    if (keys.length > 0 && dim !== wanted)
      return this.refusal('INVALID_TABLE', `rows have ${dim} columns, not ${wanted}`, dim);
    const count = keys.length + deletes.length;
    if (count > batchRowsMax || batchBytes(keys.length, deletes.length, dim) > batchBytesMax)
      return this.refusal('LIMIT_EXCEEDED', `${count} keys are too many for one batch`, count);
    if (rows.length !== keys.length * dim)
      return this.refusal('INVALID_TABLE', `${keys.length} keys have ${rows.length} numbers`, rows.length);
    if (new Set([...keys, ...deletes]).size < count)
      return this.refusal('INVALID_KEY', 'a key is in it twice', undefined);
    return undefined;
  }

  #checkRows({ keys, deletes }: BatchRows): FlexemrError | undefined {
    if (deletes.length > 0)
      return this.refusal('INVALID_KEY', 'rows of a table without ids cannot be removed', deletes[0]);
    const [begin, end] = [BigInt(this.#shard.begin), BigInt(this.#shard.end)];
    return this.#elsewhere(keys.find((key) => key < begin || key >= end));
  }

  #checkIds({ keys, deletes }: BatchRows): FlexemrError | undefined {
    return this.#elsewhere(this.#hashedElsewhere(keys) ?? this.#hashedElsewhere(deletes));
  }

  /** The first id that belongs to another shard. */
  #hashedElsewhere(ids: BigUint64Array): bigint | undefined {
    const { kernels, longs, words, keys, slots } = this.#arena;
    longs.set(ids, keys >>> 3);
    kernels.shardHashes(keys, slots, ids.length);
    const { begin, end } = this.#shard;
    const at = slots >>> 2;
    return ids.find((_, i) => words[at + i] < begin || words[at + i] >= end);
  }

  #elsewhere(key: bigint | undefined): FlexemrError | undefined {
    return key === undefined ? undefined : this.refusal('INVALID_KEY', `key ${key} is of another shard`, key);
  }

  /** Encodes rows. @returns the address of packed rows in the dtype of the shard, until the next call */
  encode(given: Float32Array, count: number): number | FlexemrError {
    const { kernels, floats, given: at, encoded } = this.#arena;
    const { dtype, dim } = this.#shard;
    floats.set(given, at >>> 2);
    const notFinite = (): FlexemrError => {
      const position = given.findIndex((value) => !Number.isFinite(value));
      return this.refusal('INVALID_TABLE', `it has numbers that are not finite as ${dtype}`, position);
    };
    if (kernels.rowsFinite(at, F32, count, dim) === 0) return notFinite();
    if (dtype === 'f32') return at;
    const code = dtypeCodes[dtype];
    const bad = kernels.encodeRows(at, F32, count, dim, code, encoded) >>> 0;
    return bad !== NONE || kernels.rowsFinite(encoded, code, count, dim) === 0 ? notFinite() : encoded;
  }

  refusal(code: FlexemrError['code'], problem: string, value: unknown): FlexemrError {
    const message = `table ${this.#shard.table}: a batch of row updates: ${problem}`;
    return new FlexemrError(code, message, { field: 'batch', value });
  }
}
