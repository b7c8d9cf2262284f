// What a log of row updates has held: an oracle in plain TypeScript, which knows the rows after every batch that there ever was.
import type { Batch } from '../../src/updates/batch.ts';

/** A batch that has continued its chain. */
export interface Entry {
  readonly incarnation: number;
  readonly number: bigint;
  readonly digest: bigint;
  readonly parent: Entry | undefined;
  /** What was written to each of its keys. */
  readonly stamps: ReadonlyMap<number, number>;
  /** Whether it was never in the chain: it continues what was lost before it came. */
  readonly isStray: boolean;
  /** When the log has lost it. */
  lostAt: number;
}

/** The stamp of a row that no batch has written. */
export const fromFile = 0;

/** Rows of updates say their key and who has written them, and nothing of their version. */
export function stampedRow(key: number, stamp: number, dim: number): number[] {
  return Array.from({ length: dim }, (_, column) => (column === 0 ? -1 - key : -stamp));
}

/** @returns undefined if it is a row in part */
export function stampOf(row: Float32Array, key: number): number | undefined {
  const [first, ...others] = row;
  if (others.some((value) => value !== others[0])) return undefined;
  if (first >= 0) return others[0] === first ? fromFile : undefined;
  return first === -1 - key ? -others[0] : undefined;
}

function stampsOf({ keys, rows, dim }: Batch): Map<number, number> {
  return new Map(Array.from(keys, (key, i) => [Number(key), -rows[i * dim + 1]]));
}

export class ChainHistory {
  readonly #entries = new Map<bigint, Entry>();
  /** The last batch that the log has. Undefined: it has none. */
  end: Entry | undefined;
  /** When the log has lost batches last. */
  lostAt = Number.NEGATIVE_INFINITY;

  /**
   * The log has another batch. Whatever does not continue the chain is left out.
   * @returns whether it continues what the log has lost: whoever has not noticed that yet writes it
   */
  add(batch: Batch, incarnation: number, now: number): boolean {
    const { end } = this;
    const { position, previous } = batch;
    const parent = this.#entries.get(previous);
    const isOfLog = position.incarnation === incarnation;
    const isNext =
      isOfLog && position.number === (end?.number ?? 0n) + 1n && previous === (end?.digest ?? 0n);
    const isStray = !isOfLog || (parent !== undefined && parent.lostAt <= now);
    if (isNext) this.end = this.#keep(batch, end, undefined);
    else if (isStray) this.#keep(batch, parent, now);
    return !isNext && isStray;
  }

  /** @param strayAt undefined: it is in the chain */
  #keep(batch: Batch, parent: Entry | undefined, strayAt: number | undefined): Entry {
    const { position } = batch;
    const entry = this.#entries.get(position.digest) ?? {
      ...{ ...position, parent, stamps: stampsOf(batch) },
      ...{ isStray: strayAt !== undefined, lostAt: strayAt ?? Number.POSITIVE_INFINITY },
    };
    this.#entries.set(position.digest, entry);
    return entry;
  }

  /** The log has only these batches now. */
  replay(batches: readonly Batch[], incarnation: number, now: number): void {
    this.end = undefined;
    for (const batch of batches) this.add(batch, incarnation, now);
    const kept = new Set<Entry>();
    for (let entry = this.end as Entry | undefined; entry !== undefined; entry = entry.parent)
      kept.add(entry);
    for (const entry of this.#entries.values())
      if (!kept.has(entry) && entry.lostAt > now) {
        entry.lostAt = now;
        this.lostAt = now;
      }
  }

  /** Whether the batch with a digest is in the chain. */
  has(digest: bigint): boolean {
    const entry = this.#entries.get(digest);
    return entry !== undefined && entry.lostAt === Number.POSITIVE_INFINITY;
  }

  /** The batch with a digest. */
  entry(digest: bigint): Entry | undefined {
    return this.#entries.get(digest);
  }

  /** Those with a number: several, if the log has lost some. */
  withNumber(incarnation: number, number: bigint): Entry[] {
    return [...this.#entries.values()].filter(
      (entry) => entry.incarnation === incarnation && entry.number === number,
    );
  }

  /** What a row may be, if its reply says so much of its shard. @param since batches that were lost before are known to be */
  allowed(key: number, incarnation: number, number: bigint, since: number): Set<number> {
    const allowed = new Set<number>();
    if (number === 0n) allowed.add(fromFile);
    for (const entry of this.#entries.values()) {
      // Rows that have no update yet may get those of any log.
      if (number > 0n && (entry.incarnation !== incarnation || entry.number < number)) continue;
      if (entry.lostAt >= since) allowed.add(stampAt(key, entry));
    }
    return allowed;
  }
}

/** Who has written a row last, up to a batch. */
export function stampAt(key: number, last: Entry | undefined): number {
  for (let entry = last; entry !== undefined; entry = entry.parent) {
    const stamp = entry.stamps.get(key);
    if (stamp !== undefined) return stamp;
  }
  return fromFile;
}
