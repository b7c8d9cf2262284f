import { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type DType, rowBytes } from '../kernel/dtype.ts';
import { divides, type PoolingMode } from '../kernel/pooling-mode.ts';
import type { NumberedShard, PlannedTable } from '../plan/routing-table.ts';
import { paddingKey, type TableMode, type TableSpec } from '../plan/table-spec.ts';

/** A table as a ranker routes it. */
export class RoutedTable {
  readonly spec: TableSpec;
  readonly version: number;
  readonly indexed: boolean;
  readonly mode: TableMode;
  /** Each key of mode `none` is merged as the sum of a bag of its own. */
  readonly pooling: PoolingMode;
  /** Bags end with a division. */
  readonly divides: boolean;
  readonly dtype: DType;
  readonly rowBytes: number;
  /** Of a pooled vector: f32 [dim]. */
  readonly vectorBytes: number;
  readonly missing: MissingPolicy;
  /** The padding key as a pair of words. */
  readonly padding: Uint32Array | undefined;
  readonly shards: readonly NumberedShard[];
  /** Where each shard ends: rows, or hashes of ids. */
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

  /** The policy that one lookup asks for. @throws INVALID_OPTION for `default` without a default row */
  policy(asked: MissingPolicy): MissingPolicy {
    if (!['error', 'skip', 'default'].includes(asked)) {
      const message = `onMissing = ${String(asked)} must be 'error', 'skip' or 'default'`;
      throw new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
    }
    if (asked !== 'default' || this.spec.defaultRow !== undefined) return asked;
    const message = `onMissing: 'default' needs a defaultRow, which table ${this.spec.name} has none of`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
  }

  /** @throws INVALID_WEIGHTS where the table's mode takes none */
  checkWeighted(feature: string): void {
    if (this.mode !== 'max' && this.mode !== 'none') return;
    const message = `${feature}: table ${this.spec.name} pools by ${this.mode}, which takes no weights; leave them out`;
    throw new FlexemrError('INVALID_WEIGHTS', message, { field: `${feature}.weights`, value: this.mode });
  }
}
