// A few random tables with requests, to measure plans.
import fc from 'fast-check';
import type { KeyedBags } from '../../src/index.ts';
import type { TableLoads } from '../../src/plan/prediction.ts';
import { below, type Random, random } from '../../src/simulation/random.ts';
import type { GivenTable } from '../tables-file.ts';

export const requestsALookup = 2_500;
export const lookupsACase = 4;

/** The parameters from which a case is drawn. */
export interface CaseShape {
  readonly tables: readonly TableShape[];
  /** The capacity of each node, divided by an equal share of all bytes; unlimited if undefined. */
  readonly slack: number | undefined;
  readonly seed: number;
}

export interface PlannedCase {
  readonly tables: readonly GivenTable[];
  readonly loads: TableLoads;
  readonly lookups: readonly KeyedBags[];
}

interface TableShape {
  readonly rows: number;
  readonly dim: number;
  readonly mode: 'sum' | 'mean' | 'max' | 'none';
  readonly dtype: 'f32' | 'f16' | 'int8' | 'int4';
  readonly indexed: boolean;
  readonly keysPerBag: number;
  readonly bagsPerRequest: number;
}

const table: fc.Arbitrary<TableShape> = fc
  .record({
    digits: fc.integer({ min: 0, max: 35 }),
    dim: fc.constantFrom(32, 64, 128),
    mode: fc.constantFrom('sum' as const, 'sum' as const, 'mean' as const, 'max' as const, 'none' as const),
    dtype: fc.constantFrom('f32' as const, 'f16' as const, 'int8' as const, 'int4' as const),
    indexed: fc.boolean(),
    // On a logarithmic scale. With half a key per bag, every other bag is empty.
    keys: fc.oneof(fc.integer({ min: 0, max: 13 }), fc.constant(-3)),
    bagsPerRequest: fc.constantFrom(1, 1, 2),
  })
  .map(({ digits, keys, ...more }) => {
    // Every key of mode none gives a vector, so a few keys are sufficient.
    const keysPerBag = more.mode === 'none' ? Math.min(3, 10 ** (keys / 10)) : 10 ** (keys / 10);
    return { ...more, rows: Math.ceil(10 ** (digits / 10)), keysPerBag };
  });

export const anyShape: fc.Arbitrary<CaseShape> = fc.record({
  tables: fc.array(table, { minLength: 3, maxLength: 8 }),
  slack: fc.constantFrom(undefined, 1.2, 2),
  seed: fc.nat(),
});

/** Makes rows, and requests whose keys have a uniform distribution. */
export function caseOf({ tables: shapes, seed }: CaseShape): PlannedCase {
  const next = random(seed);
  const tables = shapes.map((shape, i) => tableOf(shape, i, next));
  const loads = Object.fromEntries(
    shapes.map(({ keysPerBag, bagsPerRequest }, i) => [nameOf(i), { keysPerBag, bagsPerRequest }]),
  );
  const lookups = Array.from({ length: lookupsACase }, () => {
    const bags = shapes.map((shape, i) => [nameOf(i), bagsOf(shape, tables[i], next)] as const);
    return Object.fromEntries(bags);
  });
  return { tables, loads, lookups };
}

const nameOf = (i: number): string => `t${i}`;

/** With many ids, the hash distributes them over nodes as evenly as a plan expects. */
const indexedRows = 40_000;

function tableOf({ rows: few, dim, mode, dtype, indexed }: TableShape, i: number, next: Random): GivenTable {
  const rows = indexed ? indexedRows : few;
  const values = new Float32Array(rows * dim).map(() => next() / 2 ** 32);
  const ids = indexed ? BigUint64Array.from({ length: rows }, (_, row) => idOf(row)) : undefined;
  return { spec: { name: nameOf(i), rows, dim, mode, dtype }, rows: values, ids };
}

/** Ids are all different and far apart. */
function idOf(row: number): bigint {
  return BigInt.asUintN(64, BigInt(row + 1) * 0x9e37_79b9_7f4a_7c15n);
}

function bagsOf(
  { keysPerBag, bagsPerRequest, indexed }: TableShape,
  { spec }: GivenTable,
  next: Random,
): KeyedBags[string] {
  const bags = requestsALookup * bagsPerRequest;
  const lengths = Uint32Array.from({ length: bags }, () => Math.floor(keysPerBag + next() / 2 ** 32));
  const rows = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0)).map(() =>
    below(next, spec.rows),
  );
  return { keys: indexed ? BigUint64Array.from(rows, idOf) : rows, lengths };
}
