// Row updates as a caller gives them, checked and cut at the shards of a routing table.
import { FlexemrError, invalidAt, show } from '../errors.ts';
import type { Keys, NumberArray } from '../plan/bags.ts';
import { isTypedArray, keysOf } from '../plan/checked-bags.ts';
import {
  type NumberedShard,
  numberedShards,
  type PlannedTable,
  type RoutingTable,
} from '../plan/routing-table.ts';
import { paddingKey } from '../plan/table-spec.ts';
import { type Hasher, idHashes } from '../store/id-hashes.ts';
import type { BatchRows } from './batch.ts';

/** New rows of a table. A key is given at most once. */
export interface TableUpdates {
  /** Keys [n] of the rows that are written. An id that has no row gets one. */
  readonly keys?: Keys | undefined;
  /** Row after row, [n × dim], finite. */
  readonly rows?: NumberArray | undefined;
  /** Ids that have no row any more. Only of indexed tables. */
  readonly deletes?: Keys | undefined;
}

/** By table. */
export type RowUpdates = Readonly<Record<string, TableUpdates>>;

/** The updates of one shard. */
export interface ShardUpdates extends BatchRows {
  readonly planned: NumberedShard;
}

/** @throws UNKNOWN_TABLE, INVALID_TABLE, INVALID_KEY, INVALID_BAGS */
export function cutUpdates(routing: RoutingTable, updates: RowUpdates, hasher: Hasher): ShardUpdates[] {
  const shards = Map.groupBy(numberedShards(routing), ({ table }) => table.spec.name);
  return Object.entries(updates).flatMap(([name, given]) => {
    const own = shards.get(name);
    if (own === undefined) throw unknownTable(name, [...shards.keys()]);
    if (!own[0].table.updates) throw sealed(name);
    return cutTable(name, own, given, hasher);
  });
}

function cutTable(
  name: string,
  shards: readonly NumberedShard[],
  { keys: givenKeys = [], rows: givenRows = [], deletes: givenDeletes = [] }: TableUpdates,
  hasher: Hasher,
): ShardUpdates[] {
  const [{ table }] = shards;
  const { dim } = table.spec;
  const keys = checkedKeys(`${name}.keys`, givenKeys, table);
  const deletes = checkedKeys(`${name}.deletes`, givenDeletes, table);
  const rows = checkedRows(name, givenRows, keys.length, dim);
  if (deletes.length > 0 && !table.indexed)
    throw new FlexemrError('INVALID_TABLE', `table ${name} has rows by number, which cannot be deleted`, {
      field: `${name}.deletes`,
    });
  checkOnce(name, keys, deletes);
  checkPadding(name, table, keys);
  const [ofKeys, ofDeletes] = [keys, deletes].map((each, i) =>
    placesOf(i === 0 ? `${name}.keys` : `${name}.deletes`, each, shards, hasher),
  );
  return shards.flatMap((planned, place) => {
    const [upserts, gone] = [ofKeys[place], ofDeletes[place]];
    if (upserts.length + gone.length === 0) return [];
    const own = new Float32Array(upserts.length * dim);
    for (const [i, from] of upserts.entries()) own.set(rows.subarray(from * dim, (from + 1) * dim), i * dim);
    return [{ planned, keys: picked(keys, upserts), rows: own, deletes: picked(deletes, gone) }];
  });
}

/** The positions of those keys that each shard has. @throws INVALID_KEY if there is no such row */
function placesOf(
  field: string,
  keys: BigUint64Array,
  shards: readonly NumberedShard[],
  hasher: Hasher,
): number[][] {
  const places: number[][] = shards.map(() => []);
  const [{ table }] = shards;
  if (table.indexed) {
    for (const { first, hashes } of idHashes(hasher, keys))
      for (let i = 0; i < hashes.length; i++) places[shardOf(shards, hashes[i])].push(first + i);
    return places;
  }
  for (const [i, key] of keys.entries()) {
    if (key >= BigInt(table.spec.rows))
      throw invalidAt('INVALID_KEY', field, i, key, `is not one of the ${table.spec.rows} rows`);
    places[shardOf(shards, Number(key))].push(i);
  }
  return places;
}

/** The place of the shard with a row or a hash. */
export function shardOf(shards: readonly Pick<NumberedShard, 'shard'>[], at: number): number {
  let [low, high] = [0, shards.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at < shards[middle].shard.end) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @throws INVALID_KEY */
function checkedKeys(field: string, given: Keys, { indexed }: PlannedTable): BigUint64Array {
  if (!isArray(given))
    throw new FlexemrError('INVALID_KEY', `${field}: expected an array of keys, not ${show(given)}`, {
      field,
      value: given,
    });
  return wide(keysOf(field, given, indexed));
}

const isArray = (given: unknown): boolean => Array.isArray(given) || isTypedArray(given);

/** @throws INVALID_TABLE */
function checkedRows(name: string, given: NumberArray, keys: number, dim: number): Float32Array {
  const field = `${name}.rows`;
  if (!isArray(given))
    throw new FlexemrError('INVALID_TABLE', `${field}: expected an array of numbers, not ${show(given)}`, {
      field,
      value: given,
    });
  if (given.length !== keys * dim) {
    const message = `${field} has ${given.length} numbers for ${keys} keys of dim ${dim}: give ${keys * dim}, row after row`;
    throw new FlexemrError('INVALID_TABLE', message, { field, value: given.length });
  }
  const rows = given instanceof Float32Array ? given : Float32Array.from(given);
  const bad = rows.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw invalidAt('INVALID_TABLE', field, bad, rows[bad], 'is not finite; rows of updates are finite');
  return rows;
}

/** Otherwise the order of the given rows would decide which of two is kept. @throws INVALID_KEY */
function checkOnce(name: string, keys: BigUint64Array, deletes: BigUint64Array): void {
  const seen = new Set<bigint>();
  const check = (field: string, all: BigUint64Array): void => {
    for (const [i, key] of all.entries()) {
      if (seen.has(key)) throw invalidAt('INVALID_KEY', field, i, key, 'is given twice; give each key once');
      seen.add(key);
    }
  };
  check(`${name}.keys`, keys);
  check(`${name}.deletes`, deletes);
}

/** A row for the padding id of an indexed table would never be looked up. @throws INVALID_KEY */
function checkPadding(name: string, { spec, indexed }: PlannedTable, keys: BigUint64Array): void {
  const padding = indexed ? paddingKey(spec, indexed) : undefined;
  const at = padding === undefined ? -1 : keys.indexOf(padding);
  if (at >= 0) throw invalidAt('INVALID_KEY', `${name}.keys`, at, keys[at], 'is the padding id');
}

function wide(keys: Uint32Array | BigUint64Array | BigInt64Array): BigUint64Array {
  if (keys instanceof BigUint64Array) return keys;
  return keys instanceof BigInt64Array
    ? new BigUint64Array(keys.buffer, keys.byteOffset, keys.length)
    : BigUint64Array.from(keys, BigInt);
}

function picked(keys: BigUint64Array, places: readonly number[]): BigUint64Array {
  return BigUint64Array.from(places, (place) => keys[place]);
}

function unknownTable(name: string, known: readonly string[]): FlexemrError {
  const message = `there is no table ${name}; the tables are ${known.join(', ')}`;
  return new FlexemrError('UNKNOWN_TABLE', message, { field: name });
}

function sealed(name: string): FlexemrError {
  const message = `table ${name} takes no updates: make a plan of it with flexemr plan --updates ${name}`;
  return new FlexemrError('INVALID_TABLE', message, { field: name });
}
