import { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type DType, rowBytes } from '../kernel/dtype.ts';
import { divides, type PoolingMode } from '../kernel/pooling-mode.ts';
import type { NumberedShard, PlannedTable } from '../plan/routing-table.ts';
import { paddingKey, type TableMode, type TableSpec } from '../plan/table-spec.ts';

/** A table of a routing table, with the values that a ranker needs for each lookup. */
export class RoutedTable {
  readonly spec: TableSpec;
  readonly version: number;
  readonly indexed: boolean;
  readonly mode: TableMode;
  /** In mode `none`, each key is merged as the sum of a bag that has only this key. */
  readonly pooling: PoolingMode;
  /** Pooling a bag ends with a division. */
  readonly divides: boolean;
  readonly dtype: DType;
  readonly rowBytes: number;
  /** Bytes of a pooled vector, f32 [dim]. */
  readonly vectorBytes: number;
  readonly missing: MissingPolicy;
  /** The padding key as a pair of u32 words. */
  readonly padding: Uint32Array | undefined;
  readonly shards: readonly NumberedShard[];
  /** Where each shard ends: a row number, or a hash of ids for an indexed table. */
  readonly ends: Float64Array;

  constructor({ spec, version, indexed }: PlannedTable, shards: readonly NumberedShard[]) {
    this.spec = spec;
    this.version = version;
    this.indexed = indexed;
    this.mode = spec.mode;
    this.pooling = spec.mode === 'none' ? 'sum' : spec.mode;
    this.divides = divides(spec.mode);
    this.dtype = spec.dtype ?? 'f32';
    this.rowBytes = rowBytes(this.dtype, spec.dim);
    this.vectorBytes = spec.dim * 4;
    this.missing = spec.missing ?? 'error';
    const padding = paddingKey(spec, indexed);
    this.padding = padding === undefined ? undefined : new Uint32Array(BigUint64Array.of(padding).buffer);
    this.shards = shards;
    this.ends = Float64Array.from(shards, ({ shard }) => shard.end);
  }

  /**
   * Checks the policy that a lookup asks for, and returns it.
   * @throws INVALID_OPTION if there is no such policy, or if it is `default` and the table has no default row
   */
  policy(asked: MissingPolicy): MissingPolicy {
    if (!['error', 'skip', 'default'].includes(asked)) {
      const message = `onMissing = ${String(asked)} must be 'error', 'skip' or 'default'`;
      throw new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
    }
    if (asked !== 'default' || this.spec.defaultRow !== undefined) return asked;
    const message = `onMissing: 'default' needs a defaultRow, but table ${this.spec.name} has none`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
  }

  /** @throws INVALID_WEIGHTS if the table's mode takes no weights */
  checkWeighted(feature: string): void {
    if (this.mode !== 'max' && this.mode !== 'none') return;
    const message = `${feature}: table ${this.spec.name} pools by ${this.mode}, which takes no weights; leave them out`;
    throw new FlexemrError('INVALID_WEIGHTS', message, { field: `${feature}.weights`, value: this.mode });
  }
}
