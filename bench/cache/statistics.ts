import type { Trace } from './trace.ts';

/** What is published of traces. Shares are in [0, 1]. */
export interface TraceStatistics {
  readonly segments: number;
  readonly distinctSegments: number;
  /** Uses of rows. */
  readonly uses: number;
  readonly distinctRows: number;
  /** Mean keys of a segment. */
  readonly pooling: number;
  /** Segments that came before: the most that a cache of whole segments can hit. */
  readonly seenBefore: number;
}

/** Of the rows that are used more than `times` times: their share of the rows in use, and of all uses. */
export interface UseShare {
  readonly rows: number;
  readonly accesses: number;
}

export function statisticsOf({ accesses, tableOf, offsets }: Trace, uses: Uint32Array): TraceStatistics {
  let keys = 0;
  for (const id of accesses) keys += offsets[id + 1] - offsets[id];
  return {
    segments: accesses.length,
    distinctSegments: tableOf.length,
    uses: keys,
    distinctRows: uses.reduce((total, count) => total + (count > 0 ? 1 : 0), 0),
    pooling: keys / accesses.length,
    seenBefore: 1 - tableOf.length / accesses.length,
  };
}

/** How often each row is used. */
export function rowUses({ accesses, offsets, rows, firstRows }: Trace): Uint32Array {
  const uses = new Uint32Array(firstRows[firstRows.length - 1]);
  for (const id of accesses) for (let i = offsets[id]; i < offsets[id + 1]; i++) uses[rows[i]]++;
  return uses;
}

export function usedMoreThan(times: number, uses: Uint32Array): UseShare {
  const sums = { rows: 0, all: 0, accesses: 0, allAccesses: 0 };
  for (const count of uses) {
    if (count === 0) continue;
    sums.all++;
    sums.allAccesses += count;
    if (count <= times) continue;
    sums.rows++;
    sums.accesses += count;
  }
  return { rows: sums.rows / sums.all, accesses: sums.accesses / sums.allAccesses };
}
