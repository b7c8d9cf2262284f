// Tables whose rows say, in every element, which key they belong to and which batch has written them. They are of every dtype and of
// both kinds of keys. Each batch writes all rows.
import { type DType, dtypes } from '../../src/kernel/dtype.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import type { BatchRows } from '../../src/updates/batch.ts';
import { HEADER_BYTES, SEQUENCE_BYTES } from '../../src/wire/layout.ts';
import type { Reply } from '../../src/wire/reply.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';

export const keyCount = 1024;
export const dim = 64;
/** Ids that are there at even numbers, and others at odd ones. */
const turns = 64;

export interface ChangingTable {
  readonly name: string;
  readonly dtype: DType;
  readonly indexed: boolean;
}

export const changingTables: readonly ChangingTable[] = dtypes.flatMap((dtype) =>
  [false, true].map((indexed) => ({ name: `${dtype}${indexed ? '-ids' : ''}`, dtype, indexed })),
);

/** After so many batches, rows have the same values again. f16 and int4 have few whole numbers. */
export function cycleOf(dtype: DType): number {
  return dtype === 'f16' || dtype === 'int4' ? 2 : 8192;
}

function idOf(place: number, odd: boolean): bigint {
  return BigInt(place) * 0x9e37_79b9n + (odd && place < turns ? 1n << 60n : 7n);
}

/** All keys of a table. The ids of odd numbers come last. */
export function keysOf({ indexed }: ChangingTable): (number | bigint)[] {
  if (!indexed) return Array.from({ length: keyCount }, (_, key) => key);
  const ids = Array.from({ length: keyCount }, (_, place) => idOf(place, false));
  return [...ids, ...Array.from({ length: turns }, (_, place) => idOf(place, true))];
}

function rowsOf({ dtype }: ChangingTable, number: number): Float32Array {
  const rows = new Float32Array(keyCount * dim);
  const base = (number % cycleOf(dtype)) * keyCount;
  for (let place = 0; place < keyCount; place++) rows.fill(base + place, place * dim, (place + 1) * dim);
  return rows;
}

/** The tables as they are before the first batch. */
function givenTables(): GivenTable[] {
  return changingTables.map((table) => {
    const { name, dtype, indexed } = table;
    return {
      spec: { name, rows: keyCount, dim, mode: 'sum', dtype, missing: indexed ? 'skip' : 'error' },
      rows: rowsOf(table, 0),
      ids: indexed ? BigUint64Array.from({ length: keyCount }, (_, place) => idOf(place, false)) : undefined,
    };
  });
}

/** Each table is one shard of a node, and takes updates. */
function changing(tables: readonly PlannedTable[], [node]: readonly string[]): PlannedTable[] {
  return tables.map((table) => {
    const end = table.indexed ? 2 ** 32 : table.spec.rows;
    return { ...table, updates: true, shards: [{ node, begin: 0, end }] };
  });
}

/** A node in this thread that holds the tables. */
export async function startChanging(): Promise<Cluster> {
  return await Cluster.start({
    ...{ tables: givenTables(), nodes: 1, ports: false, digests: true },
    split: changing,
  });
}

/** The batch with a number. */
export function batchOf(table: ChangingTable, number: number): BatchRows {
  const odd = number % 2 === 1;
  const places = Array.from({ length: keyCount }, (_, place) => place);
  const keys = places.map((place) => (table.indexed ? idOf(place, odd) : BigInt(place)));
  const gone = table.indexed ? places.slice(0, turns).map((place) => idOf(place, !odd)) : [];
  return {
    keys: BigUint64Array.from(keys),
    rows: rowsOf(table, number),
    // In another order, so that their rows go to other ids.
    deletes: BigUint64Array.from(gone.toReversed()),
  };
}

/**
 * What is wrong in the reply to a lookup of all keys, each in a bag of its own; undefined if nothing is.
 * @param whole whether the answer was one slice: then all rows are of the batch that the reply names
 */
export function wrongIn(table: ChangingTable, reply: Reply, whole: boolean): string | undefined {
  if (reply.error !== undefined) return `error ${reply.error.code}`;
  const keys = table.indexed ? keyCount + turns : keyCount;
  const values = reply.floats(HEADER_BYTES, keys * dim);
  const counts = reply.counts(HEADER_BYTES + values.byteLength, keys);
  const sequence = reply.bytes.length - reply.exceptionCount * 4 - SEQUENCE_BYTES;
  const view = new DataView(reply.bytes.buffer, reply.bytes.byteOffset);
  const number = Number(view.getBigUint64(sequence + 4, true));
  const cycle = cycleOf(table.dtype);
  let before = 0;
  for (let i = 0; i < keys; i++) {
    const place = i < keyCount ? i : i - keyCount;
    const first = values[i * dim];
    for (let column = 1; column < dim; column++)
      if (values[i * dim + column] !== first) return `row ${i} is torn`;
    const turn = table.indexed && place < turns;
    const there = !turn || number % 2 === (i < keyCount ? 0 : 1);
    if (whole && counts[i] !== Number(there)) return `key ${i} has ${counts[i]} rows at number ${number}`;
    if (counts[i] === 0) continue;
    if (first % keyCount !== place) return `key ${i} has the row of ${first % keyCount}`;
    const ahead = (Math.floor(first / keyCount) - (number % cycle) + cycle) % cycle;
    if (whole && ahead !== 0) return `row ${i} is ${ahead} batches ahead of number ${number}`;
    if (cycle > 2 && ((!turn && ahead < before) || ahead > cycle / 2))
      return `row ${i} is ${ahead} batches ahead of number ${number}, but the one before is ${before}`;
    // An id that was removed since it was found keeps its last row.
    if (!turn) before = ahead;
  }
  return undefined;
}
