import type { ShardRows } from '../kernel/call.ts';
import type { RowDtype, TableSpec } from '../plan/table-spec.ts';
import type { Extent } from './arena.ts';
import type { KeyIndex } from './key-index.ts';

/** A contiguous range of a table's rows in one arena, as kernels take it. */
export interface Shard extends Extent {
  readonly rows: ShardRows;
}

/** A table whose rows are in memory. Immutable. */
export interface Table {
  readonly spec: TableSpec;
  readonly dtype: RowDtype;
  /** In row order; each is a plan boundary (docs/numerics.md). */
  readonly shards: readonly Shard[];
  /** Indexed tables: id → row. */
  readonly index: KeyIndex | undefined;
  /** The padding key as kernels see it: a row number, or `paddingSlot` of an indexed table. */
  readonly padding: number | undefined;
}
