import { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type DType, type PoolingMode, rowBytes } from '../kernel/reference.ts';
import { type NumberedShard, numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { TableMode, TableSpec } from '../plan/table-spec.ts';

/** A table as a ranker routes it. */
export interface RoutedTable {
  readonly spec: TableSpec;
  readonly version: number;
  readonly indexed: boolean;
  readonly mode: TableMode;
  /** Each key of mode `none` is merged as the sum of a bag of its own. */
  readonly pooling: PoolingMode;
  readonly dtype: DType;
  readonly rowBytes: number;
  readonly missing: MissingPolicy;
  readonly shards: readonly NumberedShard[];
  /** Where each shard ends: rows, or hashes of ids. */
  readonly ends: Float64Array;
}

/** Every table of a routing table, by name. */
export function routedTables(routing: RoutingTable): Map<string, RoutedTable> {
  const shards = Map.groupBy(numberedShards(routing), ({ table }) => table);
  return new Map(
    routing.tables.map((table) => {
      const { spec, version, indexed } = table;
      const own = shards.get(table) ?? [];
      const dtype = spec.dtype ?? 'f32';
      const routed = {
        spec,
        version,
        indexed,
        mode: spec.mode,
        pooling: spec.mode === 'none' ? 'sum' : spec.mode,
        dtype,
        rowBytes: rowBytes(dtype, spec.dim),
        missing: spec.missing ?? 'error',
        shards: own,
        ends: Float64Array.from(own, ({ shard }) => shard.end),
      } as const;
      return [spec.name, routed];
    }),
  );
}

/** The policy of one lookup for a table. @throws INVALID_OPTION for `default` without a default row */
export function policyOf(table: RoutedTable, asked: MissingPolicy | undefined): MissingPolicy {
  if (asked !== 'default' || table.spec.defaultRow !== undefined) return asked ?? table.missing;
  const { name } = table.spec;
  const message = `onMissing: 'default' needs a defaultRow, which table ${name} has none of`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
}
