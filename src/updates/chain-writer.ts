import { FlexemrError } from '../errors.ts';
import { batchBytesMax } from '../update-limits.ts';
import { type BatchRows, batchRowsIn, type ChainEnd, type ChainPosition, writeBatch } from './batch.ts';
import { genesis } from './chain.ts';
import { endOf, isReplaced, sequenceOf } from './chain-end.ts';
import type { SharedRead } from './shared-read.ts';
import type { UpdateLog } from './update-log.ts';

/** What may still be done, and until when. */
export interface WriterPatience {
  /** @throws DEADLINE_EXCEEDED */
  check(): void;
  /** Waits a moment, because another writer was quicker. @param tries that have failed */
  pause(tries: number): Promise<void>;
}

/** Adds batches to the chain of one shard, after whatever others add. */
export class ChainWriter {
  readonly #log: UpdateLog;
  readonly #chain: string;
  readonly #incarnation: SharedRead<number>;
  /** Where the chain ends, as far as it is known. */
  #last: ChainEnd | undefined;
  /** The last batch of its own that the log has acknowledged. */
  #acknowledged: ChainEnd | undefined;

  /** @param incarnation of the log. All chains read it together */
  constructor(log: UpdateLog, chain: string, incarnation: SharedRead<number>) {
    this.#log = log;
    this.#chain = chain;
    this.#incarnation = incarnation;
  }

  /** @returns the place of the last of them @throws UPDATES_LOST; UNAVAILABLE, UNAUTHORIZED, DEADLINE_EXCEEDED */
  async write(rows: BatchRows, dim: number, patience: WriterPatience): Promise<ChainPosition> {
    let position: ChainPosition | undefined;
    for (const piece of pieces(rows, dim)) position = await this.#append(piece, patience);
    return position as ChainPosition;
  }

  async #append(rows: BatchRows, patience: WriterPatience): Promise<ChainPosition> {
    for (let tries = 0; ; tries++) {
      patience.check();
      const last = this.#last ?? (await this.#read());
      const { bytes, position } = writeBatch(rows, last, performance.timeOrigin + performance.now());
      // What is there decides, also after an answer that was lost.
      this.#last = undefined;
      const sequence = await this.#place(last, { position, sequence: await this.#add(bytes, last) });
      if (sequence !== undefined) {
        this.#last = { sequence, position };
        this.#acknowledged = this.#last;
        return position;
      }
      await patience.pause(tries);
    }
  }

  /** @returns its sequence, if nothing can be between */
  async #add(bytes: Uint8Array, last: ChainEnd): Promise<number | undefined> {
    try {
      return await this.#log.append(this.#chain, bytes, last.sequence);
    } catch (error) {
      if (!(error instanceof FlexemrError) || error.code !== 'CONFLICT') throw error;
      return undefined;
    }
  }

  /** Where a batch is in the chain. The log may have been made anew before it came. */
  async #place(last: ChainEnd, added: Parameters<typeof sequenceOf>[3]): Promise<number | undefined> {
    const [incarnation, sequence] = await Promise.all([
      this.#incarnation.read(),
      sequenceOf(this.#log, this.#chain, last, added),
    ]);
    return incarnation === added.position.incarnation ? sequence : undefined;
  }

  async #read(): Promise<ChainEnd> {
    const incarnation = await this.#incarnation.read();
    const end = (await endOf(this.#log, this.#chain, incarnation)) ?? {
      sequence: 0,
      position: genesis(incarnation),
    };
    await this.#checkKept(end);
    return end;
  }

  /** The log may forget what it has acknowledged, if its server loses power. @throws UPDATES_LOST, once */
  async #checkKept(end: ChainEnd): Promise<void> {
    if (this.#acknowledged === undefined) return;
    const { position: own } = this.#acknowledged;
    const { position: there } = end;
    const isOther = there.incarnation !== own.incarnation || there.number < own.number;
    if (!isOther && !(await isReplaced(this.#log, this.#chain, this.#acknowledged, end))) return;
    this.#acknowledged = undefined;
    const message = `the stream of row updates has lost batches that it had acknowledged: chain ${this.#chain} ended at ${own.number}, and ends at ${there.number} now. Memory nodes load these rows again. Send the updates since then again`;
    throw new FlexemrError('UPDATES_LOST', message, { field: 'updates', value: own.number });
  }
}

/** Cuts rows into batches. */
function* pieces({ keys, rows, deletes }: BatchRows, dim: number): Generator<BatchRows> {
  const most = batchRowsIn(batchBytesMax, dim);
  for (let first = 0; first < keys.length + deletes.length; first += most) {
    const end = first + most;
    yield {
      keys: keys.subarray(first, end),
      rows: rows.subarray(first * dim, end * dim),
      deletes: deletes.subarray(Math.max(0, first - keys.length), Math.max(0, end - keys.length)),
    };
  }
}
