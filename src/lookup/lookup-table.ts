import { FlexemrError, show } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type DType, rowBytes } from '../kernel/dtype.ts';
import { paddingKey, type TableSpec } from '../plan/table-spec.ts';

/** Where a part of a table is. */
export interface TablePlace {
  /** The last row number, or hash of an id, that it holds. */
  readonly last: number;
  /** Its number among all shards, and the place of its node among all nodes. */
  readonly number: number;
  readonly node: number;
}

/** What a cache knows of a table. */
export interface CachedAs {
  /** What entries have in place of their table: bags of tables with one number have the same bits. 0: it has no entries. */
  readonly number: number;
  /** Its place among the pinned tables, from 1. 0: it is not pinned. */
  readonly pin: number;
  /** Its rows change, and its entries follow. */
  readonly followed: boolean;
}
export const uncached: CachedAs = { number: 0, pin: 0, followed: false };

export interface LookupTableOptions {
  readonly resolved?: { readonly resolve: ResolveIds; readonly padding: number | undefined } | undefined;
  /** Default: it has no entries. */
  readonly cached?: CachedAs | undefined;
}

/** Ids to row numbers: one that no row has for ids without a row. */
export type ResolveIds = (ids: BigUint64Array | BigInt64Array) => Uint32Array;

function wide(key: number | undefined): bigint | undefined {
  return key === undefined ? undefined : BigInt(key);
}

/** A table as lookups see it, with the values that they need. */
export class LookupTable {
  /** Its place among all tables. */
  readonly place: number;
  readonly spec: TableSpec;
  readonly version: number;
  /** Keys are u64 ids, also for `ask`. */
  readonly indexed: boolean;
  /** Finds the row numbers of ids, if `ask` gets row numbers in place of ids. */
  readonly resolve: ResolveIds | undefined;
  readonly dtype: DType;
  readonly rowBytes: number;
  /** The padding key as a u64. */
  readonly padding: bigint | undefined;
  readonly cached: CachedAs;
  /** In order. */
  readonly shards: readonly TablePlace[];

  constructor(
    place: number,
    { spec, version, indexed }: { spec: TableSpec; version: number; indexed: boolean },
    shards: readonly TablePlace[],
    { resolved, cached = uncached }: LookupTableOptions = {},
  ) {
    this.place = place;
    this.cached = cached;
    this.spec = spec;
    this.version = version;
    this.indexed = indexed;
    this.dtype = spec.dtype ?? 'f32';
    this.rowBytes = rowBytes(this.dtype, spec.dim);
    this.resolve = resolved?.resolve;
    this.padding = resolved === undefined ? paddingKey(spec, indexed) : wide(resolved.padding);
    this.shards = shards;
  }

  /** Whether callers give ids. */
  get takesIds(): boolean {
    return this.indexed || this.resolve !== undefined;
  }

  /** The error of a lookup whose policy is `default`, because this table has no default row. */
  noDefaultRow(): FlexemrError {
    const asked: MissingPolicy = 'default';
    const message = `onMissing: 'default' needs a defaultRow, but table ${this.spec.name} has none`;
    return new FlexemrError('INVALID_OPTION', message, { field: 'onMissing', value: asked });
  }

  /** The error of a feature that has weights, because the table's mode takes none. */
  takesNoWeights(feature: string): FlexemrError {
    const { name, mode } = this.spec;
    const message = `${feature}: table ${name} pools by ${mode}, which takes no weights; leave them out`;
    return new FlexemrError('INVALID_WEIGHTS', message, { field: `${feature}.weights`, value: mode });
  }

  /** Why a key that has no row is refused. */
  get whyNoRow(): string {
    const { name, rows } = this.spec;
    return this.takesIds
      ? `is not an id of table ${name}`
      : `is not a row of table ${name}, which has ${rows} rows`;
  }
}

/** Some of the names of tables, for an error. */
export function knownTables(names: Iterable<string>): string {
  return `known tables: ${[...names].slice(0, 5).join(', ') || 'none'}`;
}

/** @param known names of the tables that there are @throws UNKNOWN_TABLE */
export function unknownTable(name: string, feature: string, known: Iterable<string>): never {
  const message = `${feature}: there is no table named ${show(name)} (${knownTables(known)})`;
  throw new FlexemrError('UNKNOWN_TABLE', message, { field: feature, value: name });
}
