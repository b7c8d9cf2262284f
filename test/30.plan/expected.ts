// Computes the results of a lookup with the reference: each key becomes a row or the reason why it has no row. Each bag
// is cut into segments at the bounds of shards, and the segments are folded and merged.
import * as reference from '../../src/kernel/checked-reference.ts';
import type { Pooled } from '../../src/lookup/pooled.ts';
import type { TableMode } from '../../src/plan/table-spec.ts';

/** The row of a key, or why it has none. `bad` keys are refused with every policy for missing keys. */
export type Found = number | 'padded' | 'missing' | 'bad';

/** A table for the reference. */
export interface ModelTable {
  readonly mode: TableMode;
  readonly dim: number;
  /** Every row, decoded. */
  readonly rows: readonly Float32Array[];
  readonly missing?: 'error' | 'skip' | 'default' | undefined;
  /** Decoded. */
  readonly defaultRow?: Float32Array | undefined;
  /** The row after the last row of each shard; one shard by default. */
  readonly ends?: readonly number[] | undefined;
}

/** Bags for the reference: u32 offsets [bags + 1]. */
export interface ModelBags {
  readonly found: readonly Found[];
  readonly offsets: readonly number[];
  readonly weights?: Float32Array | undefined;
  /** The shard of each key; by default the shard with its row, or the last shard. */
  readonly shards?: readonly number[] | undefined;
}

/** @returns the pooled vectors, or the position of the first key that is refused */
export function expectedPooled(table: ModelTable, bags: ModelBags): Pooled | number {
  const { mode, dim, missing = 'error' } = table;
  const bounds =
    mode === 'none'
      ? bags.found.map((_, i) => [i, i + 1])
      : bags.offsets.slice(1).map((end, i) => [bags.offsets[i], end]);
  const end = mode === 'none' ? bags.found.length : bags.offsets[bags.offsets.length - 1];
  const used = bags.found.slice(0, end);
  const refused = used.findIndex((key) => key === 'bad' || (key === 'missing' && missing === 'error'));
  if (refused >= 0) return refused;
  const values = new Float32Array(bounds.length * dim);
  const counts = new Uint32Array(bounds.length);
  bounds.forEach(([begin, stop], bag) => {
    const { pooled, count } = poolBag(table, bags, begin, stop);
    values.set(pooled, bag * dim);
    counts[bag] = count;
  });
  const positions = (outcome: Found): Uint32Array =>
    Uint32Array.from(used.flatMap((key, i) => (key === outcome ? [i] : [])));
  const none = new Uint32Array();
  return {
    dim,
    values,
    counts,
    distinct: undefined,
    missing: missing === 'skip' ? positions('missing') : none,
    defaulted: missing === 'default' ? positions('missing') : none,
    padded: positions('padded'),
    incomplete: none,
  };
}

function poolBag(
  { mode, dim, rows, missing, defaultRow, ends = [rows.length] }: ModelTable,
  { found, weights, shards }: ModelBags,
  begin: number,
  stop: number,
): { pooled: Float32Array; count: number } {
  const segments = ends.map(() => ({ rows: [] as Float32Array[], weights: [] as number[] }));
  for (let i = begin; i < stop; i++) {
    const key = found[i];
    if (key === 'padded' || (key === 'missing' && missing === 'skip')) continue;
    const row = typeof key === 'number' ? rows[key] : defaultRow;
    if (row === undefined) throw new RangeError(`the model has no row for key ${i}`);
    // The last shard answers keys without a row.
    const byRow = typeof key === 'number' ? ends.findIndex((end) => key < end) : ends.length - 1;
    const segment = segments[shards?.[i] ?? byRow];
    segment.rows.push(row);
    if (weights) segment.weights.push(weights[i]);
  }
  if (mode === 'none') {
    const row = segments.flatMap((segment) => segment.rows)[0];
    return { pooled: reference.canonical(row?.slice() ?? new Float32Array(dim)), count: row ? 1 : 0 };
  }
  const partials = segments.map((segment) =>
    reference.foldSegment(mode, dim, segment.rows, weights && Float32Array.from(segment.weights)),
  );
  return {
    pooled: reference.mergePartials(mode, dim, partials, weights !== undefined),
    count: partials.reduce((sum, { count }) => sum + count, 0),
  };
}

/** Finds row keys in a table of `rows` rows. */
export function foundRows(keys: Iterable<number | bigint>, rows: number, padding?: number): Found[] {
  return Array.from(keys, (given): Found => {
    // A signed 64-bit key means the u64 with the same bits.
    const key = typeof given === 'bigint' ? Number(BigInt.asUintN(64, given)) : given;
    if (!Number.isInteger(key) || key < 0 || key >= 2 ** 32) return 'bad';
    if (padding !== undefined && key === (padding < 0 ? rows + padding : padding)) return 'padded';
    return key < rows ? key : 'missing';
  });
}

/** Finds ids in an indexed table. */
export function foundIds(
  keys: Iterable<number | bigint>,
  ids: ReadonlyMap<bigint, number>,
  padding?: number | bigint,
): Found[] {
  const paddingId = padding === undefined ? undefined : BigInt.asUintN(64, BigInt(padding));
  return Array.from(keys, (given): Found => {
    if (typeof given === 'number' && (!Number.isSafeInteger(given) || given < 0)) return 'bad';
    const id = BigInt.asUintN(64, BigInt(given));
    return id === paddingId ? 'padded' : (ids.get(id) ?? 'missing');
  });
}

/** A result as bits, so that comparisons distinguish −0, NaN and the last digits. Repetition does not change results. */
export function bitsOf({ dim, values, counts, missing, defaulted, padded, incomplete }: Pooled): object {
  const bits = new Uint32Array(values.slice().buffer);
  return { dim, values: bits, counts, missing, defaulted, padded, incomplete };
}
