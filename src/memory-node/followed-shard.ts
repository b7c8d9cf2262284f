import { FlexemrError } from '../errors.ts';
import type { Log } from '../log.ts';
import { updateRestsMax } from '../update-limits.ts';
import type { ChainEnd, ChainPosition } from '../updates/batch.ts';
import { Chain, genesis } from '../updates/chain.ts';
import { endOf, isReplaced } from '../updates/chain-end.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../updates/update-log.ts';
import { HeardBatches, type HeardRoom } from './heard-batches.ts';
import type { RowWriter } from './row-writer.ts';
import type { UpdateCounts } from './update-counts.ts';
import type { KeptRows } from './writer-gate.ts';

/**
 * `more`: it may have another batch at once. `other`: so it may, and the log may be another one. `later`: the same again, in a moment.
 * `done`: nothing until it hears of a change.
 */
export type Progress = 'more' | 'other' | 'later' | 'done';

export interface FollowedShardOptions {
  /** The name of its chain, and its table. */
  readonly chain: string;
  readonly table: string;
  readonly writer: RowWriter;
  /** Reads its rows again from where they came. Nobody reads or writes them meanwhile. @returns the batches they have; undefined: none */
  readonly reload: () => Promise<ChainEnd | undefined>;
  readonly counts: UpdateCounts;
  /** For the batches that it has heard. All shards of a node share it. */
  readonly room: HeardRoom;
  readonly log?: Log | undefined;
}

/** A shard that follows its chain in the log, one batch at a time. */
export class FollowedShard {
  readonly #options: FollowedShardOptions;
  readonly #writer: RowWriter;
  readonly #batches: HeardBatches;
  #chain: Chain;
  /** The number of its rows when they were read last. A snapshot is read again once before that is known. */
  #read = 0n;
  /** That of the last batch that its rows have. */
  #written: number;
  /** Its rows are not those of its chain, and must be read again. */
  #isStale: boolean;
  /** Its rows were read again, and are not answered until they have all batches. */
  #isReplaying = false;
  #isReloading = false;
  /** Answers that may still know where rows were, before they were read again. */
  #kept: KeptRows = [];
  /** Whether its chain has to be compared with the log. */
  #unverified = true;
  /** Troubles since rows were served, and checks to leave out after the last one. */
  #troubles = 0;
  #rests = 0;
  /** The last batch that the log had when its chain was compared last. */
  #first = 0n;
  /** The place of a batch of another incarnation, for which that of the log was asked again. */
  #foreign = 0;
  #caughtUp = Promise.withResolvers<void>();
  /** Whether those who waited were told that it cannot catch up. */
  #isRefused = false;
  /** Called when it may go on, after `done`. */
  onReady: () => void = () => {};

  constructor(options: FollowedShardOptions) {
    this.#options = options;
    this.#writer = options.writer;
    const { position, sequence } = this.#writer.followedTo;
    this.#chain = new Chain(position);
    this.#batches = new HeardBatches(options.chain, sequence, options.room);
    this.#written = sequence;
    // Whoever has written before has died in the middle of a batch.
    this.#isStale = this.#writer.isReloading;
  }

  get chain(): string {
    return this.#options.chain;
  }

  /** Resolves once its rows have what the log had when it was followed. @throws CONFLICT if the log does not have its batches any more */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise;
  }

  /** @param added to its chain just now; undefined: something may have been missed */
  hear(added: AddedBatch | undefined): void {
    this.#batches.hear(added);
  }

  /** The next step compares its chain with the log. */
  verify(): void {
    this.#unverified = true;
    if (this.#rests > 0) this.#rests--;
  }

  /** Does one step. @param incarnation of the log @throws as UpdateLog */
  async step(log: UpdateLog, incarnation: number): Promise<Progress> {
    if (this.#isReloading || this.#rests > 0) return 'done';
    if (this.#isStale) return this.#reload(incarnation);
    if (this.#chain.position.incarnation !== incarnation) return this.#begin(incarnation);
    let end: ChainPosition | undefined;
    if (this.#unverified) {
      const found = await endOf(log, this.chain, incarnation);
      end = found?.position;
      const followed = { sequence: this.#written, position: this.#chain.position };
      if (!this.#chain.leadsTo(end) || (await isReplaced(log, this.chain, followed, found)))
        return this.#trouble('the log has lost batches that were written');
      this.#unverified = false;
      this.#first = end?.number ?? 0n;
    }
    const mayMiss = end !== undefined && end.number > this.#chain.position.number;
    if (mayMiss) this.#batches.miss();
    const found = await this.#batches.next(log, (batch) => this.#chain.judge(batch) === 'next');
    if (found !== undefined)
      return found.batch.position.incarnation === incarnation ? this.#take(found) : this.#leaveOut(found);
    if (mayMiss) {
      // The log uses sequences again. What is known already is left out.
      this.#batches.readFrom(0);
      return 'more';
    }
    return this.#end();
  }

  /** The log is another one. Rows that have no batch yet have none of it, either. */
  #begin(incarnation: number): Progress {
    if (this.#chain.position.number > 0n) return this.#trouble('the log was made anew');
    const position = genesis(incarnation);
    if (!this.#isReplaying && !this.#writer.serve({ position, sequence: 0 })) return 'later';
    this.#chain = new Chain(position);
    this.#batches.readFrom(0);
    this.#written = 0;
    return 'more';
  }

  /** A batch of another log: its writer was late. Or the log was made anew since its incarnation was asked for: then it is asked again. */
  #leaveOut({ sequence }: LoggedBatch): Progress {
    if (this.#foreign !== sequence) {
      this.#foreign = sequence;
      return 'other';
    }
    this.#options.counts.skipped++;
    this.#batches.pass(sequence);
    return 'more';
  }

  #take({ sequence, batch }: LoggedBatch): Progress {
    const { position, dim, madeAt } = batch;
    const { counts } = this.#options;
    const judged = this.#chain.judge(batch);
    // Whoever reads a chain from its first batch knows that such a batch continues one that the log has lost.
    const isLeftOut = this.#isReplaying && this.#chain.position.number > 0n;
    if (judged === 'gap' && !isLeftOut)
      return this.#trouble(`batch ${position.number} does not continue batch ${this.#chain.position.number}`);
    if (judged === 'fork' && !this.#isReplaying)
      return this.#trouble(`batch ${position.number} continues another batch`);
    if (judged !== 'next') counts.skipped++;
    else {
      const written = this.#writer.write(batch, dim, { position, sequence }, !this.#isReplaying);
      if (written === 'later') return 'later';
      this.#chain.advance(position);
      this.#written = sequence;
      if (written === 'written') {
        counts.applied++;
        counts.madeAt = madeAt;
      } else {
        counts.refused++;
        this.#options.log?.warn(
          { ...this.#place, number: String(position.number), err: written },
          'a batch of row updates is wrong, and changes nothing',
        );
      }
    }
    this.#batches.pass(sequence);
    if (!this.#isReplaying && this.#chain.position.number >= this.#first) this.#catchUp();
    return 'more';
  }

  /** It has everything that the log has. */
  #end(): Progress {
    // The server that has answered has not heard of the last batches yet.
    if (this.#chain.position.number < this.#first) {
      this.#batches.miss();
      return 'later';
    }
    if (this.#isReplaying) {
      if (!this.#writer.isForgotten(this.#kept)) return 'later';
      if (!this.#writer.serve({ position: this.#chain.position, sequence: this.#batches.read }))
        return 'later';
      this.#isReplaying = false;
      this.#options.log?.info(
        { ...this.#place, ...this.#number },
        'the rows of a shard have all batches again',
      );
    }
    this.#troubles = 0;
    this.#catchUp();
    return 'done';
  }

  #catchUp(): void {
    if (this.#isRefused) this.#caughtUp = Promise.withResolvers();
    this.#isRefused = false;
    this.#caughtUp.resolve();
  }

  /** Those who wait hear why. The log may get what is missing later. */
  #refuse(error: FlexemrError): void {
    this.#isRefused = true;
    this.#caughtUp.promise.catch(() => {});
    this.#caughtUp.reject(error);
  }

  get #place(): object {
    const { table, chain } = this.#options;
    return { table, chain };
  }

  get #number(): { readonly number: string } {
    return { number: String(this.#chain.position.number) };
  }

  /** The batches of the log do not continue those that its rows have. Rows are read again, and get all batches that follow. */
  #trouble(problem: string): Progress {
    const isFresh = this.#chain.position.number === this.#read;
    const kept = this.#writer.reload();
    if (kept === undefined) return 'later';
    this.#options.log?.warn(
      { ...this.#place, ...this.#number, problem },
      'the rows of a shard are not answered until they have the batches of the log',
    );
    this.#kept = kept;
    this.#unverified = true;
    this.#batches.readFrom(0);
    // It did not help to read them.
    if (isFresh || this.#isReplaying) {
      this.#rests = Math.min(2 ** this.#troubles++, updateRestsMax);
      this.#refuse(missing(this.#options.table, problem));
    }
    this.#isReplaying = true;
    // Its file may be another one meanwhile.
    this.#isStale = true;
    return 'other';
  }

  #reload(incarnation: number): Progress {
    const kept = this.#writer.reload();
    if (kept === undefined) return 'later';
    this.#isReloading = true;
    void this.#replace(incarnation, kept).finally(() => {
      this.#isReloading = false;
      this.onReady();
    });
    return 'done';
  }

  async #replace(incarnation: number, kept: KeptRows): Promise<void> {
    try {
      const start = await this.#options.reload();
      this.#writer.replaced();
      this.#options.counts.reloads++;
      this.#kept = kept;
      this.#chain = new Chain(start?.position ?? genesis(incarnation));
      this.#read = this.#chain.position.number;
      this.#written = start?.sequence ?? 0;
      this.#batches.readFrom(this.#written);
      this.#isReplaying = true;
      this.#isStale = false;
    } catch (error) {
      this.#rests = Math.min(2 ** this.#troubles++, updateRestsMax);
      this.#options.log?.warn(
        { ...this.#place, err: error },
        'the rows of a shard could not be read again; trying again later',
      );
    }
  }
}

function missing(table: string, problem: string): FlexemrError {
  const message = `table ${table}: the log of row updates does not have all of its batches: ${problem}; give the cluster a newer snapshot (flexemr snapshot), or publish the table with its updates as a new version`;
  return new FlexemrError('CONFLICT', message, { field: 'updates' });
}
