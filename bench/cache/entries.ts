import type { Trace } from './trace.ts';

/** What can be cached, by number. */
export interface Entries {
  readonly count: number;
  /** Bytes of cache that an entry takes. */
  readonly bytes: Uint32Array;
  /** Bytes of replies that a hit saves. */
  readonly saved: Uint32Array;
  /** 1: of a feature of users. A ranker notices: the bag is the same for many samples of a lookup. */
  readonly ofUser: Uint8Array;
}

/** A header, the keys and the pooled vector, rounded up to 16 bytes; and a slot of an index that is three quarters full. */
function entryBytes(keys: number, dim: number): number {
  return Math.ceil((16 + 4 * keys + 4 * dim) / 16) * 16 + 11;
}

/** A pooled vector and what frames it. */
function replyBytes(dim: number): number {
  return 4 * dim + 4;
}

function emptyEntries(count: number): Entries {
  return {
    count,
    bytes: new Uint32Array(count),
    saved: new Uint32Array(count),
    ofUser: new Uint8Array(count),
  };
}

/** Entries are whole segments. */
export function segmentEntries({ tables, tableOf, offsets }: Trace): Entries {
  const entries = emptyEntries(tableOf.length);
  for (let id = 0; id < tableOf.length; id++) {
    const { dim, side } = tables[tableOf[id]];
    entries.bytes[id] = entryBytes(offsets[id + 1] - offsets[id], dim);
    entries.saved[id] = replyBytes(dim);
    entries.ofUser[id] = side === 'user' ? 1 : 0;
  }
  return entries;
}

/** Entries are rows, known by the table and one key. */
export function rowEntries({ tables, firstRows }: Trace): Entries {
  const entries = emptyEntries(firstRows[tables.length]);
  for (const [table, { dim, side }] of tables.entries()) {
    const [from, to] = [firstRows[table], firstRows[table + 1]];
    entries.bytes.fill(entryBytes(1, dim), from, to);
    entries.saved.fill(replyBytes(dim), from, to);
    entries.ofUser.fill(side === 'user' ? 1 : 0, from, to);
  }
  return entries;
}

/** Entries are rows, and after them whole segments. */
export function bothEntries(rows: Entries, segments: Entries): Entries {
  const both = emptyEntries(rows.count + segments.count);
  for (const [entries, first] of [
    [rows, 0],
    [segments, rows.count],
  ] as const) {
    both.bytes.set(entries.bytes, first);
    both.saved.set(entries.saved, first);
    both.ofUser.set(entries.ofUser, first);
  }
  return both;
}
