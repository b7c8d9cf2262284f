// Random tables with random cuts on random nodes, and bags of them. The reference gives the expected results.

import fc from 'fast-check';
import {
  type Bags,
  type KeyedBags,
  type RowDtype,
  reference,
  type TableMode,
  Tables,
} from '../../src/index.ts';
import type { MissingPolicy } from '../../src/kernel/call.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import type { PlannedShard, PlannedTable } from '../../src/plan/routing-table.ts';
import { PoolInput } from '../10.kernel/pool-case.ts';
import { bitsOf, expectedPooled, type Found, foundIds, foundRows } from '../30.plan/expected.ts';
import type { GivenTable } from '../tables-file.ts';

export interface RankerCase {
  readonly seed: number;
  readonly dtype: RowDtype;
  readonly mode: TableMode;
  readonly weighted: boolean;
  readonly dim: number;
  readonly rows: number;
  /** Bag sizes of each feature. */
  readonly features: readonly (readonly number[])[];
  readonly values: 'plain' | 'special' | 'zeros';
  readonly keyBytes: 4 | 8;
  readonly signed: boolean;
  readonly missing: MissingPolicy;
  /** The policy of the lookup, which replaces that of the table. */
  readonly onMissing: MissingPolicy | undefined;
  readonly outOfRange: boolean;
  readonly padding: 'none' | 'row' | 'id of no row';
  readonly indexed: boolean;
  readonly nodes: number;
  /** The cuts of the table as fractions; `on` has the nodes of the shards. */
  readonly cuts: readonly number[];
  readonly on: readonly number[];
}

export const rankerCases: fc.Arbitrary<RankerCase> = fc.record({
  seed: fc.nat(),
  dtype: fc.constantFrom(...dtypes),
  mode: fc.constantFrom('sum', 'mean', 'sqrtn', 'max', 'none'),
  weighted: fc.boolean(),
  dim: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(32, 65)),
  rows: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 61, max: 900 })),
  features: fc.array(fc.array(fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 90 })), { maxLength: 8 }), {
    minLength: 1,
    maxLength: 3,
  }),
  values: fc.constantFrom('plain', 'special', 'zeros'),
  keyBytes: fc.constantFrom(4, 8),
  signed: fc.boolean(),
  missing: fc.constantFrom('error', 'skip', 'default'),
  onMissing: fc.constantFrom(undefined, undefined, 'error', 'skip', 'default'),
  outOfRange: fc.boolean(),
  padding: fc.constantFrom('none', 'row', 'id of no row'),
  indexed: fc.boolean(),
  nodes: fc.integer({ min: 1, max: 7 }),
  cuts: fc.array(
    fc.integer({ min: 1, max: 999 }).map((cut) => cut / 1000),
    { maxLength: 7, size: 'max' },
  ),
  on: fc.array(fc.nat({ max: 6 }), { minLength: 8, maxLength: 8 }),
});

/** An id without a row, which can be the padding. */
const noRow = 0xfeedn;

/** The table and the bags of a case. */
export class RankerInput {
  readonly of: RankerCase;
  readonly table: GivenTable;
  readonly bags: KeyedBags;
  readonly #inputs: readonly PoolInput[];
  readonly #defaultRow: Float32Array;

  constructor(of: RankerCase) {
    const { dtype, dim, rows, mode, missing, onMissing } = of;
    // Files store rows as f32 or f16, and nodes quantise them.
    const stored = dtype === 'f16' ? 'f16' : 'f32';
    const quantised = dtype === 'int8' || dtype === 'int4';
    this.of = of;
    this.#inputs = of.features.map(
      (lengths) =>
        new PoolInput({
          // The seed is the same, so every feature has the same rows.
          ...{ ...of, dtype: stored, mode: 'sum', lengths },
          weighted: of.weighted && mode !== 'max' && mode !== 'none',
          values: quantised ? 'plain' : of.values,
          padded: of.padding === 'row',
          ...{ touch: false, budget: 0, cuts: [] },
        }),
    );
    const [first] = this.#inputs;
    // A row of equal values is quantised without loss if f16 can represent the value.
    this.#defaultRow = new Float32Array(dim).fill(0.375);
    const hasDefault = missing === 'default' || onMissing === 'default';
    const rowsOf = stored === 'f32' ? Float32Array : Uint16Array;
    this.table = {
      spec: {
        ...{ name: 'table', rows, dim, mode, dtype, missing, padding: this.#padding },
        defaultRow: hasDefault ? [...this.#defaultRow] : undefined,
      },
      rows: new rowsOf(first.rows.slice().buffer),
      ids: of.indexed ? BigUint64Array.from({ length: rows }, (_, row) => this.#id(row)) : undefined,
    };
    this.bags = Object.fromEntries(
      this.#inputs.map(({ of: { lengths }, weights }, i): [string, Bags] => {
        return [`f${i}`, { keys: this.#keys(i), lengths, weights, table: 'table' }];
      }),
    );
  }

  #id(row: number): bigint {
    return BigInt.asUintN(64, (BigInt(row) + BigInt(this.of.seed)) * 0x9e3779b97f4a7c15n);
  }

  get #padding(): number | bigint | undefined {
    const [{ padding: row }] = this.#inputs;
    if (this.of.indexed && this.of.padding === 'id of no row') return noRow;
    if (row === undefined || !this.of.indexed) return row;
    return this.of.signed ? BigInt.asIntN(64, this.#id(row)) : this.#id(row);
  }

  #keys(feature: number): Uint32Array | BigUint64Array {
    const { keys } = this.#inputs[feature];
    const { indexed, signed, rows, padding, keyBytes } = this.of;
    const wide = (signed ? BigInt64Array : BigUint64Array) as typeof BigUint64Array;
    if (!indexed) return keyBytes === 4 ? Uint32Array.from(keys) : wide.from(keys, BigInt);
    return wide.from(keys, (key) => {
      if (key < rows) return padding === 'id of no row' && key % 3 === 0 ? noRow : this.#id(key);
      return key % 2 ? 0xfeeen : (1n << 64n) - 1n;
    });
  }

  /** Plans the shards of the case, in order, each on its node. */
  readonly split = ([table]: readonly PlannedTable[], nodes: readonly string[]): PlannedTable[] => {
    const ends = this.#ends;
    const shards = ends.map((end, i): PlannedShard => {
      return { node: nodes[this.of.on[i] % nodes.length], begin: ends[i - 1] ?? 0, end };
    });
    return [{ ...table, shards }];
  };

  get #ends(): number[] {
    const { indexed, rows, cuts } = this.of;
    const end = indexed ? 2 ** 32 : rows;
    const inside = cuts.map((cut) => Math.floor(cut * end)).filter((cut) => cut > 0 && cut < end);
    return [...new Set(inside), end].sort((a, b) => a - b);
  }

  /** Whether some node holds several shards. */
  get crowded(): boolean {
    const holders = this.#ends.map((_, i) => this.of.on[i] % this.of.nodes);
    return new Set(holders).size < holders.length;
  }

  /** Every row, decoded from the dtype of its node. */
  async #rows(): Promise<Float32Array[]> {
    const { dim, rows, dtype } = this.of;
    const { rows: given } = this.table;
    const each = Array.from({ length: rows }, (_, row) => row);
    if (given instanceof Uint16Array)
      return each.map((row) => reference.decodeRow(new Uint8Array(given.buffer), 'f16', dim, row));
    if (dtype === 'f32') return each.map((row) => given.subarray(row * dim, (row + 1) * dim));
    await using tables = new Tables({ slotBytes: 2 ** 20 });
    await tables.add({ name: 'rows', rows, dim, dtype, mode: 'none' }, { rows: given });
    const values = (await tables.lookup({ rows: { keys: each, offsets: [0] } })).get('rows')?.values;
    return each.map((row) => (values ?? new Float32Array()).subarray(row * dim, (row + 1) * dim));
  }

  #found(feature: number): Found[] {
    const keys = this.#keys(feature);
    const { ids, spec } = this.table;
    const { padding } = spec;
    if (ids) return foundIds(keys, new Map(Array.from(ids, (id, row) => [id, row])), padding);
    return foundRows(keys, this.of.rows, padding === undefined ? undefined : Number(padding));
  }

  /** @returns the results as bits; or the positions that may be refused in the first feature that has any */
  async expected(): Promise<object[] | { readonly field: string; readonly positions: readonly number[] }> {
    const ends = this.#ends;
    const missing = this.of.onMissing ?? this.of.missing;
    const { mode, dim, indexed } = this.of;
    const model = { mode, dim, missing, rows: await this.#rows(), defaultRow: this.#defaultRow, ends };
    const pooled: object[] = [];
    for (const [i, { offsets, weights }] of this.#inputs.entries()) {
      const found = this.#found(i);
      const shards = indexed
        ? Array.from<number | bigint, number>(this.#keys(i), (key) =>
            ends.findIndex((end) => shardHash(BigInt(key)) < end),
          )
        : undefined;
      const result = expectedPooled(model, { found, offsets: [...offsets], weights, shards });
      if (typeof result !== 'number') pooled.push({ feature: `f${i}`, ...bitsOf(result) });
      else {
        const refused = found.flatMap((key, at) => (key === 'bad' || key === 'missing' ? [at] : []));
        return { field: `f${i}.keys`, positions: this.crowded && indexed ? refused : [result] };
      }
    }
    return pooled;
  }
}

/** The hash that determines the shard of an id, in a simple form. */
function shardHash(id: bigint): number {
  const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
  let x = u64(id);
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) x = u64((x ^ (x >> 33n)) * factor);
  return Number((x ^ (x >> 33n)) & 0xffffffffn);
}
