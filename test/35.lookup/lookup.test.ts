import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Bags,
  FlexemrError,
  type KeyedBags,
  type Lookup,
  type RowDtype,
  reference,
  type TableMode,
  type TableSpec,
  Tables,
} from '../../src/index.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import { threadedKeysMin } from '../../src/limits.ts';
import { shardRanges } from '../../src/store/store.ts';
import { PoolInput } from '../10.kernel/pool-case.ts';
import {
  bitsOf,
  expectedPooled,
  type Found,
  foundIds,
  foundRows,
  type ModelTable,
} from '../30.plan/expected.ts';
import { bits } from '../bits.ts';
import { runs } from '../runs.ts';

interface LookupCase {
  readonly seed: number;
  readonly dtype: RowDtype;
  readonly mode: TableMode;
  readonly weighted: boolean;
  readonly dim: number;
  readonly rows: number;
  /** Bag sizes of each feature. */
  readonly features: readonly (readonly number[])[];
  readonly values: 'plain' | 'special' | 'zeros';
  /** The rows are given as f32, and are quantised when they are added. */
  readonly quantised: boolean;
  readonly keyBytes: 4 | 8;
  readonly missing: 'error' | 'skip' | 'default';
  readonly outOfRange: boolean;
  readonly padding: 'none' | 'row' | 'row from the end' | 'id of no row';
  readonly indexed: boolean;
  readonly signed: boolean;
  /** The maximum number of shards. */
  readonly shards: number;
}

const lookupCase: fc.Arbitrary<LookupCase> = fc.record({
  seed: fc.nat(),
  dtype: fc.constantFrom(...dtypes),
  mode: fc.constantFrom('sum', 'mean', 'sqrtn', 'max', 'none'),
  weighted: fc.boolean(),
  dim: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 100, 128)),
  rows: fc.integer({ min: 1, max: 50 }),
  features: fc.array(fc.array(fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 60 })), { maxLength: 8 }), {
    minLength: 1,
    maxLength: 3,
  }),
  values: fc.constantFrom('plain', 'special', 'zeros'),
  quantised: fc.boolean(),
  keyBytes: fc.constantFrom(4, 8),
  missing: fc.constantFrom('error', 'skip', 'default'),
  outOfRange: fc.boolean(),
  padding: fc.constantFrom('none', 'row', 'row from the end', 'id of no row'),
  indexed: fc.boolean(),
  signed: fc.boolean(),
  shards: fc.integer({ min: 1, max: 5 }),
});

const noRow = 0xfeedn;

/** The arguments of the API for a case, and the expected results of the reference. */
class LookupInput {
  readonly of: LookupCase;
  readonly spec: TableSpec;
  readonly given: { rows: Float32Array | Uint8Array; ids?: BigUint64Array };
  readonly bags: KeyedBags;
  readonly #inputs: PoolInput[];
  readonly #defaultRow: Float32Array;

  constructor(of: LookupCase) {
    const { dtype, dim, rows, mode, missing } = of;
    const quantises = of.quantised && dtype !== 'f32';
    this.of = of;
    this.#inputs = of.features.map(
      (lengths) =>
        new PoolInput({
          ...of,
          // The seed is the same, so every feature has the same rows.
          dtype: quantises ? 'f32' : dtype,
          mode: 'sum',
          weighted: of.weighted && mode !== 'max' && mode !== 'none',
          lengths,
          values: quantises ? 'plain' : of.values,
          padded: of.padding.startsWith('row'),
          touch: false,
          budget: 0,
          cuts: [],
        }),
    );
    const [first] = this.#inputs;
    // A row of equal values is quantised without loss if f16 can represent the value.
    const plain = dtype === 'f32' || dtype === 'f16';
    this.#defaultRow = plain
      ? reference
          .decodeRow(first.defaultRow, quantises ? 'f32' : dtype, dim, 0)
          .map((x) => Math.round(x) || 0.5)
      : new Float32Array(dim).fill(0.375);
    this.spec = {
      name: 'table',
      rows,
      dim,
      mode,
      dtype,
      missing,
      padding: this.#padding,
      defaultRow: missing === 'default' ? [...this.#defaultRow] : undefined,
    };
    this.given = {
      rows: quantises ? new Float32Array(first.rows.buffer, 0, rows * dim) : first.rows,
      ...(of.indexed && { ids: BigUint64Array.from({ length: rows }, (_, row) => this.#id(row)) }),
    };
    this.bags = Object.fromEntries(this.#inputs.map((_, i) => [`f${i}`, this.#bags(i)]));
  }

  #id(row: number): bigint {
    return BigInt.asUintN(64, (BigInt(row) + BigInt(this.of.seed)) * 0x9e3779b97f4a7c15n);
  }

  get #padding(): number | bigint | undefined {
    const [{ padding: row }] = this.#inputs;
    if (this.of.indexed && this.of.padding === 'id of no row') return noRow;
    if (row === undefined) return undefined;
    if (this.of.indexed) return this.of.signed ? BigInt.asIntN(64, this.#id(row)) : this.#id(row);
    return this.of.padding === 'row' ? row : row - this.of.rows;
  }

  #keys(feature: number): Uint32Array | BigUint64Array {
    const input = this.#inputs[feature];
    const { indexed, signed, rows, padding } = this.of;
    const wide = (signed ? BigInt64Array : BigUint64Array) as typeof BigUint64Array;
    if (!indexed)
      return input.of.keyBytes === 4 ? Uint32Array.from(input.keys) : wide.from(input.keys, BigInt);
    return wide.from(input.keys, (key) => {
      if (key < rows) return padding === 'id of no row' && key % 3 === 0 ? noRow : this.#id(key);
      return key % 2 ? 0xfeeen : (1n << 64n) - 1n;
    });
  }

  #bags(feature: number): Bags {
    const { lengths } = this.#inputs[feature].of;
    return { keys: this.#keys(feature), lengths, weights: this.#inputs[feature].weights, table: 'table' };
  }

  get shardBytes(): number {
    const { rows, shards, dtype, dim } = this.of;
    return (Math.ceil(rows / shards) + 1) * reference.rowBytes(dtype, dim);
  }

  async add(tables: Tables): Promise<void> {
    await tables.add(this.spec, this.given);
  }

  /** The decoded rows. If they are quantised at load, the table itself gives them one by one. */
  async #rows(): Promise<Float32Array[]> {
    const { dtype, dim, rows } = this.of;
    const { rows: given } = this.given;
    const each = Array.from({ length: rows }, (_, row) => row);
    if (given instanceof Uint8Array) return each.map((row) => reference.decodeRow(given, dtype, dim, row));
    await using tables = new Tables({ slotBytes: 2 ** 18 });
    await tables.add({ name: 'rows', rows, dim, dtype, mode: 'none' }, { rows: given });
    const { values } = found(await tables.lookup({ rows: { keys: each, offsets: [0] } }), 'rows');
    return each.map((row) => values.subarray(row * dim, (row + 1) * dim));
  }

  #found(feature: number): Found[] {
    const keys = this.#keys(feature);
    const { padding } = this.spec;
    const { ids } = this.given;
    if (ids === undefined)
      return foundRows(keys, this.of.rows, padding === undefined ? undefined : Number(padding));
    return foundIds(keys, new Map(Array.from(ids, (id, row) => [id, row])), padding);
  }

  async expected(): Promise<(object | number)[]> {
    const ranges = [...shardRanges(this.spec, this.shardBytes)];
    const model: ModelTable = {
      ...this.of,
      rows: await this.#rows(),
      defaultRow: this.#defaultRow,
      ends: ranges.map(({ first, rows }) => first + rows),
    };
    return this.#inputs.map(({ offsets, weights }, i) => {
      const pooled = expectedPooled(model, { found: this.#found(i), offsets: [...offsets], weights });
      return typeof pooled === 'number' ? pooled : bitsOf(pooled);
    });
  }
}

function found(lookup: Lookup, feature: string): NonNullable<ReturnType<Lookup['get']>> {
  const pooled = lookup.get(feature);
  if (pooled === undefined) throw new Error(`no result for ${feature}`);
  return pooled;
}

/** @returns the results of the lookup as bits, or the feature and the position of the key that it refused */
async function outcome(tables: Tables, { bags }: LookupInput): Promise<unknown> {
  try {
    return [...(await tables.lookup(bags)).values()].map(bitsOf);
  } catch (error) {
    if (!(error instanceof FlexemrError)) throw error;
    expect(error.code).toBe('INVALID_KEY');
    return { field: error.field, position: error.position };
  }
}

async function expectedOutcome(input: LookupInput): Promise<unknown> {
  const expected = await input.expected();
  const refused = expected.findIndex((pooled) => typeof pooled === 'number');
  return refused < 0 ? expected : { field: `f${refused}.keys`, position: expected[refused] };
}

test('a lookup gives the bits of the reference for any table, shards and bags', async () => {
  await fc.assert(
    fc.asyncProperty(lookupCase, async (of) => {
      const input = new LookupInput(of);
      await using tables = new Tables({ slotBytes: 2 ** 23, shardBytes: input.shardBytes });
      await input.add(tables);
      expect(await outcome(tables, input)).toEqual(await expectedOutcome(input));
    }),
    { numRuns: runs.lookupCases },
  );
});

test('one, two and three threads give the bits of the reference', async () => {
  // The calling thread would process fewer keys alone.
  const bag = Math.ceil(threadedKeysMin / 4);
  const features = [[0, bag, 1, 0, 0, 2 * bag], Array.from({ length: 999 }, (_, i) => i % 5), [bag]];
  const cases = fc.sample(
    lookupCase.map((of) => ({ ...of, features, dim: (of.dim % 24) + 1 })),
    { numRuns: runs.threadedCases, seed: 5 },
  );
  const outcomes = new Set<boolean>();
  for (const of of cases) {
    const input = new LookupInput(of);
    const expected = await expectedOutcome(input);
    outcomes.add(Array.isArray(expected));
    for (const threads of [1, 2, 3]) {
      await using tables = new Tables({ slotBytes: 2 ** 24, shardBytes: input.shardBytes, threads });
      await input.add(tables);
      expect(await outcome(tables, input)).toEqual(expected);
    }
  }
  expect(outcomes).toEqual(new Set([true, false]));
});

test('concurrent lookups on shared threads do not affect each other', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 24, threads: 3 });
  const rows = 1000;
  const data = Float32Array.from({ length: rows * 5 }, (_, i) => Math.fround(Math.sin(i)));
  await tables.add({ name: 't', rows, dim: 5, mode: 'sum' }, { rows: data });
  const decoded = Array.from({ length: rows }, (_, row) => data.subarray(row * 5, (row + 1) * 5));
  const all = Array.from({ length: 8 }, (_, nth) =>
    Uint32Array.from({ length: threadedKeysMin * (nth % 2) + 900 }, (_, i) => (i * 7 + nth) % rows),
  );
  const lookups = await Promise.all(all.map((keys) => tables.lookup({ t: { keys, offsets: [0, 10] } })));
  lookups.forEach((lookup, nth) => {
    const bags = { found: foundRows(all[nth], rows), offsets: [0, 10, all[nth].length] };
    const wanted = expectedPooled({ mode: 'sum', dim: 5, rows: decoded }, bags);
    expect(bitsOf(found(lookup, 't'))).toEqual(bitsOf(wanted as never));
  });
});

test('features are returned in the order of the request', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 16 });
  await tables.add({ name: 't', rows: 1, dim: 1, mode: 'sum' }, { rows: Float32Array.of(2) });
  const lookup = await tables.lookup({
    b: { keys: [0], offsets: [0], table: 't' },
    __proto__x: { keys: [], offsets: [0], table: 't' },
    a: { keys: [0, 0], offsets: [0], table: 't' },
  });
  expect([...lookup].map(([feature, { values }]) => [feature, values[0]])).toEqual([
    ['b', 2],
    ['__proto__x', 0],
    ['a', 4],
  ]);
});

test('a lookup of nothing gives nothing', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 16 });
  await tables.add({ name: 't', rows: 1, dim: 3, mode: 'mean' }, { rows: Float32Array.of(1, 2, 3) });
  expect(new Map(await tables.lookup({}))).toEqual(new Map());
  const none = found(await tables.lookup({ t: { keys: [], lengths: [] } }), 't');
  expect([none.values.length, none.counts.length]).toEqual([0, 0]);
  expect([...found(await tables.lookup({ t: { keys: [], lengths: [0, 0] } }), 't').values]).toEqual(
    new Array(6).fill(0),
  );
});

test('results are copies: later lookups and the removal of the table do not change them', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 18 });
  const data = Float32Array.from({ length: 60 }, (_, i) => i);
  const spec: TableSpec = { name: 't', rows: 20, dim: 3, mode: 'sum', missing: 'skip', padding: 1 };
  await tables.add(spec, { rows: data });
  const bags = (shift: number): KeyedBags => ({
    t: { keys: Array.from({ length: 500 }, (_, i) => (i * 7 + shift) % 23), offsets: [0, 100, 101] },
  });
  const first = await tables.lookup(bags(0));
  const kept = bits(first);
  for (let shift = 1; shift < 20; shift++) expect(bits(await tables.lookup(bags(shift)))).not.toEqual(kept);
  await tables.remove('t');
  await tables.add(spec, { rows: data.map(() => -1) });
  await tables.lookup(bags(1));
  expect(bits(first)).toEqual(kept);
  const { values, counts, missing, padded } = found(first, 't');
  for (const view of [values, counts, missing, padded]) expect(view.buffer).toBeInstanceOf(ArrayBuffer);
});
