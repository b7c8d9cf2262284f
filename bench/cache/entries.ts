import type { Trace } from './trace.ts';

/** What can be cached, by number. */
export interface Entries {
  readonly count: number;
  /** Bytes of cache that an entry takes. */
  readonly bytes: Uint32Array;
  /** Bytes of replies that a hit saves. */
  readonly saved: Uint32Array;
}

/** A header, the keys and the pooled vector, rounded up to 16 bytes; and a slot of an index that is three quarters full. */
function entryBytes(keys: number, dim: number): number {
  return Math.ceil((16 + 4 * keys + 4 * dim) / 16) * 16 + 11;
}

/** A pooled vector and what frames it. */
function replyBytes(dim: number): number {
  return 4 * dim + 4;
}

/** Entries are whole segments. */
export function segmentEntries({ tables, tableOf, offsets }: Trace): Entries {
  const dims = tables.map(({ dim }) => dim);
  const bytes = Uint32Array.from(tableOf, (table, id) =>
    entryBytes(offsets[id + 1] - offsets[id], dims[table]),
  );
  return {
    count: tableOf.length,
    bytes,
    saved: Uint32Array.from(tableOf, (table) => replyBytes(dims[table])),
  };
}

/** Entries are rows, known by the table and one key. */
export function rowEntries({ tables, firstRows }: Trace): Entries {
  const count = firstRows[tables.length];
  const [bytes, saved] = [new Uint32Array(count), new Uint32Array(count)];
  for (const [table, { dim }] of tables.entries()) {
    bytes.fill(entryBytes(1, dim), firstRows[table], firstRows[table + 1]);
    saved.fill(replyBytes(dim), firstRows[table], firstRows[table + 1]);
  }
  return { count, bytes, saved };
}

/** Entries are rows, and after them whole segments. */
export function bothEntries(rows: Entries, segments: Entries): Entries {
  const both = (a: Uint32Array, b: Uint32Array): Uint32Array => {
    const array = new Uint32Array(a.length + b.length);
    array.set(a);
    array.set(b, a.length);
    return array;
  };
  const [bytes, saved] = [both(rows.bytes, segments.bytes), both(rows.saved, segments.saved)];
  return { count: rows.count + segments.count, bytes, saved };
}
