import { type Entries, rowEntries, segmentEntries } from './entries.ts';
import type { NamedPolicy } from './policies/all.ts';
import type { Policy } from './policies/policy.ts';
import { rowsBytes, type Trace } from './trace.ts';

/** Shares of what was asked for, in [0, 1]. */
export interface Outcome {
  /** Uses of rows that are in the cache, by themselves or in a segment that is hit. */
  readonly rowHits: number;
  readonly segmentHits: number;
  readonly replyBytes: number;
  /** Keys that nodes need not pool. */
  readonly nodeKeys: number;
  /** Reply bytes of rows that the cache fetches for itself. A whole segment comes in a reply that is sent anyway. */
  readonly fillBytes: number;
  /** Of the reply bytes of features of users. 0 if there are none. */
  readonly ofUsers: number;
}

/** The first part of a trace fills the cache. Only the rest is counted. */
export const warmShare: number = 1 / 3;

/** A trace with what all its simulations share. */
export class Simulation {
  readonly trace: Trace;
  readonly #segments: Entries;
  readonly #rows: Entries;
  /** For each row, the number of its segment with one key plus one. 0: there is none. */
  readonly #alone: Uint32Array;

  constructor(trace: Trace) {
    this.trace = trace;
    this.#segments = segmentEntries(trace);
    this.#rows = rowEntries(trace);
    this.#alone = new Uint32Array(this.#rows.count);
    const { offsets, rows } = trace;
    for (let id = 0; id < this.#segments.count; id++)
      if (offsets[id + 1] - offsets[id] === 1) this.#alone[rows[offsets[id]]] = id + 1;
  }

  /** @param share capacity, of the bytes of all rows */
  run(policy: NamedPolicy, share: number): Outcome {
    const capacity = Math.floor(rowsBytes(this.trace) * share);
    if (policy.unit === 'segments')
      return this.#ofSegments(policy.make(this.#segments, capacity, this.trace.accesses));
    // No policy for rows knows what comes.
    return this.#ofRows(policy.make(this.#rows, capacity, new Uint32Array(0)));
  }

  #ofSegments(policy: Policy): Outcome {
    const { offsets, rows } = this.trace;
    return this.#count((id) => {
      const keys = offsets[id + 1] - offsets[id];
      if (policy.access(id)) return keys;
      let held = 0;
      if (keys > 1)
        for (let i = offsets[id]; i < offsets[id + 1]; i++) {
          const alone = this.#alone[rows[i]];
          if (alone > 0 && policy.has(alone - 1)) held++;
        }
      return -1 - held;
    });
  }

  /** A segment is hit if all its rows are there. Rows of other segments come to the cache by themselves, at once. */
  #ofRows(policy: Policy): Outcome {
    const { offsets, rows } = this.trace;
    return this.#count((id, filled) => {
      const [from, to] = [offsets[id], offsets[id + 1]];
      let held = 0;
      for (let i = from; i < to; i++) if (policy.has(rows[i])) held++;
      for (let i = from; i < to; i++)
        if (!policy.access(rows[i]) && policy.has(rows[i]) && to - from > 1)
          filled(this.#rows.saved[rows[i]]);
      return held === to - from ? held : -1 - held;
    });
  }

  /** @param access gives the keys of a segment that is hit; else −1 minus the number of its rows that are there */
  #count(access: (id: number, filled: (bytes: number) => void) => number): Outcome {
    const { accesses, offsets, tableOf, tables } = this.trace;
    const { saved } = this.#segments;
    const warm = Math.floor(accesses.length * warmShare);
    const ofUser = tables.map(({ side }) => side === 'user');
    const of = {
      bytes: 0,
      bytesHit: 0,
      userBytes: 0,
      userBytesHit: 0,
      segments: 0,
      keys: 0,
      keysHit: 0,
      rowsHeld: 0,
    };
    let fillBytes = 0;
    const filled = (bytes: number): void => {
      fillBytes += bytes;
    };
    for (let i = 0; i < accesses.length; i++) {
      const id = accesses[i];
      const found = access(id, filled);
      if (i < warm) {
        fillBytes = 0;
        continue;
      }
      const userBytes = ofUser[tableOf[id]] ? saved[id] : 0;
      of.bytes += saved[id];
      of.userBytes += userBytes;
      of.keys += offsets[id + 1] - offsets[id];
      of.rowsHeld += found < 0 ? -1 - found : found;
      if (found < 0) continue;
      of.bytesHit += saved[id];
      of.userBytesHit += userBytes;
      of.segments++;
      of.keysHit += found;
    }
    return {
      rowHits: of.rowsHeld / of.keys,
      segmentHits: of.segments / (accesses.length - warm),
      replyBytes: of.bytesHit / of.bytes,
      nodeKeys: of.keysHit / of.keys,
      fillBytes: fillBytes / of.bytes,
      ofUsers: of.userBytes === 0 ? 0 : of.userBytesHit / of.userBytes,
    };
  }
}
