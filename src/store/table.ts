import type { ShardRows } from '../kernel/call.ts';
import type { RowDtype, TableSpec } from '../plan/table-spec.ts';
import type { Extent } from './arena.ts';
import type { KeyIndex } from './key-index.ts';

/** A contiguous range of a table's rows in one arena, in the form that kernels take. */
export interface Shard extends Extent {
  readonly rows: ShardRows;
}

/** A table whose rows are in memory. Immutable. */
export interface Table {
  readonly spec: TableSpec;
  readonly dtype: RowDtype;
  /** In row order. The edge of each shard is a plan boundary (docs/numerics.md). */
  readonly shards: readonly Shard[];
  /** id → row. Undefined if the table is not indexed. */
  readonly index: KeyIndex | undefined;
  /** The padding key in the form that kernels take: a row number, or `paddingSlot` if the table is indexed. */
  readonly padding: number | undefined;
}
