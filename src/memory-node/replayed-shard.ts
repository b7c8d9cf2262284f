import type { NumberedShard } from '../plan/routing-table.ts';
import { paddingKey } from '../plan/table-spec.ts';
import type { Batch } from '../updates/batch.ts';
import type { ChangedRows } from '../updates/changed-rows.ts';
import { BatchCheck } from './batch-check.ts';
import type { WriterArena } from './writer-arena.ts';

/** What has to be known of the ids of an indexed shard before its batches, to know which new ids still get a row. */
export interface ShardIds {
  /** Whether an id had a row. */
  readonly has: (id: bigint) => boolean;
  /** Ids that had one, without the padding id; and how many can have one. */
  readonly count: number;
  readonly most: number;
}

/** Collects what batches change in a shard, by the rules by which nodes write them to their rows. */
export class ReplayedShard {
  readonly #check: BatchCheck;
  readonly #rows: ChangedRows;
  readonly #ids: ShardIds | undefined;
  readonly #padding: bigint | undefined;
  #count: number;

  /** @param rows of its table @param ids undefined: every new id gets a row */
  constructor(
    { table, shard }: Pick<NumberedShard, 'table' | 'shard'>,
    arena: WriterArena,
    rows: ChangedRows,
    ids?: ShardIds,
  ) {
    const { spec, indexed } = table;
    const { name, dim, dtype = 'f32' } = spec;
    const { begin, end } = shard;
    this.#check = new BatchCheck({ table: name, dtype, dim, indexed, begin, end }, arena);
    this.#rows = rows;
    this.#ids = ids;
    this.#count = ids?.count ?? 0;
    this.#padding = indexed ? paddingKey(spec, indexed) : undefined;
  }

  /** @returns false if the batch changes nothing on any node @throws LIMIT_EXCEEDED */
  apply(batch: Batch): boolean {
    const { keys, rows, deletes, dim } = batch;
    if (this.#check.refuses(batch, dim) || typeof this.#check.encode(rows, keys.length) !== 'number')
      return false;
    if (!this.#takeIds(keys, deletes)) return false;
    for (const key of deletes) if (key !== this.#padding) this.#rows.delete(key);
    for (const [i, key] of keys.entries())
      if (key !== this.#padding) this.#rows.set(key, rows.subarray(i * dim, (i + 1) * dim));
    return true;
  }

  /** @returns false if there are not enough rows for the new ids */
  #takeIds(keys: BigUint64Array, deletes: BigUint64Array): boolean {
    if (this.#ids === undefined) return true;
    const own = (id: bigint): boolean => id !== this.#padding;
    const count =
      this.#count +
      keys.filter((id) => own(id) && !this.#has(id)).length -
      deletes.filter((id) => own(id) && this.#has(id)).length;
    if (count > this.#ids.most) return false;
    this.#count = count;
    return true;
  }

  #has(id: bigint): boolean {
    return this.#rows.has(id) ? this.#rows.get(id) !== undefined : (this.#ids?.has(id) ?? false);
  }
}
