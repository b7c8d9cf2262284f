import * as v from 'valibot';
import { isObject, named, type Optional, oneOf, options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { knownTables } from '../lookup/lookup-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { type CacheSize, cacheSize } from './cache-size.ts';

/**
 * What a cache does with a table. `off`: its bags are neither looked for nor added. `pinned`: its bags are added when they
 * are first asked for, and stay, as long as pinned bags take at most half of the cache.
 */
export type TableCaching = 'off' | 'pinned';

/** What is added to a full cache. */
export type Admission = 'second-miss' | 'all';

export interface CacheOptions {
  /** Default `off`. An adaptive cache has none. */
  readonly size?: CacheSize | undefined;
  /** By the name of the table. Default: bags are added and make room as their use requires. */
  readonly tables?: Readonly<Record<string, TableCaching>> | undefined;
  /**
   * `second-miss` (default): bags that were asked for before, lately, or that many candidates share. `all`: every bag,
   * which is better only if most bags come again.
   */
  readonly admit?: Admission | undefined;
}

const tableCachings = oneOf(['off', 'pinned']);
const areCachings = (tables: Readonly<Record<string, unknown>>): boolean =>
  Object.values(tables).every((caching) => v.is(tableCachings, caching));

const cacheOptions = options({
  size: v.optional(cacheSize),
  tables: v.optional(v.pipe(named, v.check(areCachings, 'off or pinned for each table'))),
  admit: v.optional(oneOf(['second-miss', 'all'])),
}) as Schema<CacheOptions>;

/** @internal */
export const cacheOption: Optional<CacheSize | CacheOptions> = v.optional(
  v.lazy((cache): Schema<CacheSize | CacheOptions> => (isObject(cache) ? cacheOptions : cacheSize)),
);

/** The options of a cache, completely. */
export interface CacheChoices {
  readonly size: CacheSize;
  readonly tables: ReadonlyMap<string, TableCaching>;
  readonly admitsAll: boolean;
}

/** @param specs the tables that there are @throws INVALID_OPTION if the cache names another one */
export function cacheChoices(cache: CacheSize | CacheOptions, specs: readonly TableSpec[]): CacheChoices {
  const {
    size = 'off',
    tables = {},
    admit,
  }: CacheOptions = typeof cache === 'object' ? cache : { size: cache };
  const names = new Set(specs.map(({ name }) => name));
  for (const name of Object.keys(tables)) {
    if (names.has(name)) continue;
    const field = `cache.tables.${name}`;
    const message = `${field}: there is no table with this name (${knownTables(names)})`;
    throw new FlexemrError('INVALID_OPTION', message, { field, value: name });
  }
  return { size, tables: new Map(Object.entries(tables)), admitsAll: admit === 'all' };
}
