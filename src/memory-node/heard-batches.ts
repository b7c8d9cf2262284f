import { type Batch, batchBytes } from '../updates/batch.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../updates/update-log.ts';

/** Bytes of batches that the shards of a node have heard, and may still hear. */
export interface HeardRoom {
  bytes: number;
}

/**
 * The batches of a chain, in the order of the log, each as soon as it is heard. Where some may have been missed, the log is asked. Of what
 * is heard, only a batch that follows directly what was read, and continues the chain, is taken.
 */
export class HeardBatches {
  readonly #chain: string;
  readonly #room: HeardRoom;
  /** The sequence up to which the chain was read. */
  #read: number;
  readonly #heard: AddedBatch[] = [];
  /** Whether the log may have batches that were not heard, and how often that was said. */
  #mayMiss = true;
  #missed = 0;

  constructor(chain: string, read: number, room: HeardRoom) {
    this.#chain = chain;
    this.#read = read;
    this.#room = room;
  }

  get read(): number {
    return this.#read;
  }

  /** @param added to the log just now; undefined: something may have been missed */
  hear(added: AddedBatch | undefined): void {
    if (added !== undefined && added.sequence <= this.#read) return;
    const bytes = added === undefined ? 0 : bytesOf(added);
    if (added === undefined || bytes > this.#room.bytes) this.miss();
    else {
      this.#room.bytes -= bytes;
      this.#heard.push(added);
    }
  }

  /** Forgets what is heard, and asks the log. */
  miss(): void {
    this.#drop(this.#heard.length);
    this.#mayMiss = true;
    this.#missed++;
  }

  /**
   * The batch that follows what was read; the same again until `pass`. Undefined: there is none.
   * @param isNext whether a batch continues the chain. One that was heard before the log lost it does not. @throws as UpdateLog
   */
  async next(log: UpdateLog, isNext: (batch: Batch) => boolean): Promise<LoggedBatch | undefined> {
    const [heard] = this.#heard;
    if (heard?.before === this.#read) {
      if (isNext(heard.batch)) return heard;
      this.miss();
    }
    if (heard === undefined && !this.#mayMiss) return undefined;
    // If it does not answer, or has a batch, it is asked again. Meanwhile, a batch may be missed.
    const missed = this.#missed;
    const found = await log.next(this.#chain, this.#read);
    if (found === undefined && missed === this.#missed) this.#mayMiss = false;
    return found;
  }

  /** Goes on after a sequence. */
  pass(sequence: number): void {
    this.#read = sequence;
    const later = this.#heard.findIndex((each) => each.sequence > sequence);
    this.#drop(later < 0 ? this.#heard.length : later);
  }

  /** Reads from another place. */
  readFrom(sequence: number): void {
    this.miss();
    this.#read = sequence;
  }

  #drop(count: number): void {
    for (const each of this.#heard.splice(0, count)) this.#room.bytes += bytesOf(each);
  }
}

function bytesOf({ batch: { keys, deletes, dim } }: LoggedBatch): number {
  return batchBytes(keys.length, deletes.length, dim);
}
