export { type ErrorCode, FlexemrError } from './errors.ts';
export type { PoolingMode } from './kernel/reference.ts';
export * as reference from './kernel/reference.ts';
export type { Pooled } from './lookup/feature.ts';
export { type Lookup, openTables, type Rows, Tables, type TablesOptions } from './lookup/tables.ts';
export {
  type Bags,
  type Counts,
  type KeyedBags,
  type KeyedJagged,
  type Keys,
  keyedJagged,
} from './plan/bags.ts';
export type { Key, RowDtype, StoredTableSpec, TableMode, TableSpec } from './plan/table-spec.ts';
export { DenseNetwork, sigmoid, stackPooled } from './ranker/dense-network.ts';
export type { LoadOptions, LoadProgress } from './store/load.ts';
export { SafetensorsFile } from './store/safetensors.ts';
export { writeSafetensors } from './store/safetensors-writer.ts';
