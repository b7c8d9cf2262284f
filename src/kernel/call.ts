// Writes call blocks field by field. This is the only place where TypeScript values become a kernel's arguments.

import { type DType, dtypeCodes } from './dtype.ts';
import * as layout from './layout.ts';
import { modeCodes, type PoolingMode } from './pooling-mode.ts';

/** What to do with a key that has no row: fail, leave it out, or pool the table's default row. */
export type MissingPolicy = 'error' | 'skip' | 'default';

export const missingCodes: Record<MissingPolicy, number> = {
  error: layout.MISSING_ERROR,
  skip: layout.MISSING_SKIP,
  default: layout.MISSING_DEFAULT,
};

/** The rows of one shard, as a kernel sees them. */
export interface ShardRows {
  /** Address of the first row. */
  readonly address: number;
  readonly rows: number;
  /** The table's row that this shard starts with. */
  readonly rowBase: number;
  /** Rows of the whole table. */
  readonly tableRows: number;
  readonly rowBytes: number;
  readonly dim: number;
  readonly dtype: DType;
  /** Whether every value is finite. */
  readonly finite: boolean;
  /** Address of the default row, or 0. */
  readonly defaultRow: number;
  /** Whether this shard answers for keys past the end of the table. */
  readonly last: boolean;
}

/** Addresses of one feature's bags and results. An address is 0 if there is no such array. */
export interface BagBuffers {
  readonly keys: number;
  readonly keyBytes: 4 | 8;
  readonly keyCount: number;
  /** u32 [bags + 1]; not used by gather. */
  readonly offsets: number;
  readonly weights: number;
  readonly out: number;
  readonly counts: number;
  readonly denominators: number;
  readonly outcomes: number;
  readonly scratch: number;
}

/** How to pool the bags. */
export interface PoolOptions {
  /** `sum` if it does not matter (gather). */
  readonly mode: PoolingMode;
  /** Whether to leave the division to merge. */
  readonly partial: boolean;
  readonly touch: boolean;
  readonly padding: number | undefined;
  readonly missing: MissingPolicy;
  /** Bags [begin, end); for gather, keys. */
  readonly begin: number;
  readonly end: number;
  /** Offset of the first of these bags. */
  readonly firstKey: number;
}

/** Writes a pool or gather block of CALL_BYTES at `address`. */
export function writePoolCall(
  words: Uint32Array,
  address: number,
  shard: ShardRows,
  bags: BagBuffers,
  options: PoolOptions,
): void {
  const set = (field: number, value: number): void => {
    words[(address + field) >>> 2] = value;
  };
  set(layout.CALL_TABLE, shard.address);
  set(layout.CALL_ROWS, shard.rows);
  set(layout.CALL_ROW_BASE, shard.rowBase);
  set(layout.CALL_TABLE_ROWS, shard.tableRows);
  set(layout.CALL_ROW_BYTES, shard.rowBytes);
  set(layout.CALL_DIM, shard.dim);
  set(layout.CALL_DTYPE, dtypeCodes[shard.dtype]);
  set(layout.CALL_FINITE, Number(shard.finite));
  set(layout.CALL_MODE, modeCodes[options.mode]);
  set(layout.CALL_PARTIAL, Number(options.partial));
  set(layout.CALL_TOUCH, Number(options.touch));
  set(layout.CALL_KEYS, bags.keys);
  set(layout.CALL_KEY_BYTES, bags.keyBytes);
  set(layout.CALL_KEY_COUNT, bags.keyCount);
  set(layout.CALL_OFFSETS, bags.offsets);
  set(layout.CALL_WEIGHTS, bags.weights);
  set(layout.CALL_BAG, options.begin);
  set(layout.CALL_BAG_END, options.end);
  set(layout.CALL_KEY, options.firstKey);
  set(layout.CALL_PADDING, options.padding ?? layout.NONE);
  set(layout.CALL_MISSING, missingCodes[options.missing]);
  set(layout.CALL_DEFAULT_ROW, shard.defaultRow);
  set(layout.CALL_LAST_SHARD, Number(shard.last));
  set(layout.CALL_OUT, bags.out);
  set(layout.CALL_COUNTS, bags.counts);
  set(layout.CALL_DENOMINATORS, bags.denominators);
  set(layout.CALL_OUTCOMES, bags.outcomes);
  set(layout.CALL_SCRATCH, bags.scratch);
  set(layout.CALL_EXCEPTIONS, 0);
  set(layout.CALL_ERROR_POSITION, 0);
}

/** Partials of one shard, and the bags they belong to. Addresses, 0 for null; shapes in layout.ts. */
export interface MergeBuffers {
  readonly partials: number;
  readonly counts: number;
  /** 0 if bags have no weights. */
  readonly denominators: number;
  /** 0: partial i belongs to bag i. */
  readonly bagNumbers: number;
  readonly out: number;
  readonly outCounts: number;
  readonly outDenominators: number;
}

/** Writes a block for merge or divide, of MERGE_BYTES, at `address`. */
export function writeMergeCall(
  words: Uint32Array,
  address: number,
  shape: { readonly bags: number; readonly dim: number; readonly mode: PoolingMode },
  buffers: MergeBuffers,
): void {
  const set = (field: number, value: number): void => {
    words[(address + field) >>> 2] = value;
  };
  set(layout.MERGE_BAGS, shape.bags);
  set(layout.MERGE_DIM, shape.dim);
  set(layout.MERGE_MODE, modeCodes[shape.mode]);
  set(layout.MERGE_PARTIALS, buffers.partials);
  set(layout.MERGE_COUNTS, buffers.counts);
  set(layout.MERGE_DENOMINATORS, buffers.denominators);
  set(layout.MERGE_BAG_NUMBERS, buffers.bagNumbers);
  set(layout.MERGE_OUT, buffers.out);
  set(layout.MERGE_OUT_COUNTS, buffers.outCounts);
  set(layout.MERGE_OUT_DENOMINATORS, buffers.outDenominators);
}
