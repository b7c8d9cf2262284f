import { FlexemrError } from '../errors.ts';
import type { Log } from '../log.ts';
import { updateCheckMs, updateFailuresMax, updateLaterMs } from '../update-limits.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import type { FollowedShard, Progress } from './followed-shard.ts';

/** Writes the batches of a log to the shards of a node, one batch of each shard in turn. */
export class Applier {
  readonly #updates: UpdateLog;
  readonly #log: Log | undefined;
  readonly #shards = new Map<string, FollowedShard>();
  /** Shards that may have another batch. */
  readonly #ready = new Set<FollowedShard>();
  /** Ends listening, by chain. */
  readonly #deaf = new Map<string, () => void>();
  #incarnation: number | undefined;
  #running: Promise<void> | undefined;
  /** The step that is under way. */
  #step: { readonly shard: FollowedShard; readonly ended: Promise<unknown> } | undefined;
  #check: ReturnType<typeof setTimeout> | undefined;
  /** Whether the log did not answer. It is said once. */
  isAway = false;
  #closed = false;

  constructor(updates: UpdateLog, log?: Log) {
    this.#updates = updates;
    this.#log = log;
    this.#checkLater();
  }

  /** Follows the chain of a shard from now on. */
  follow(shard: FollowedShard): void {
    shard.onReady = () => this.#wake(shard);
    this.#shards.set(shard.chain, shard);
    const deaf = this.#updates.listen(shard.chain, (added) => {
      shard.hear(added);
      this.#wake(shard);
    });
    this.#deaf.set(shard.chain, deaf);
    this.#wake(shard);
  }

  /** Writes no batches to these shards any more. @returns once none is being written to them, although others may always have some */
  async unfollow(chains: readonly string[]): Promise<void> {
    for (const chain of chains) {
      const shard = this.#shards.get(chain);
      this.#shards.delete(chain);
      this.#deaf.get(chain)?.();
      this.#deaf.delete(chain);
      if (shard === undefined) continue;
      this.#ready.delete(shard);
      // It keeps no batches.
      shard.hear(undefined);
    }
    if (this.#step && chains.includes(this.#step.shard.chain)) await this.#step.ended;
  }

  #wake(shard: FollowedShard): void {
    if (this.#closed || this.#shards.get(shard.chain) !== shard) return;
    this.#ready.add(shard);
    this.#start();
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // One may have become ready while the last of them was done.
      if (this.#ready.size > 0 && !this.#closed) this.#start();
    });
  }

  #checkLater(): void {
    this.#check = setTimeout(() => this.#verify(), updateCheckMs * (0.5 + Math.random()));
  }

  /** Bells may be lost, and so may batches. */
  #verify(): void {
    this.#incarnation = undefined;
    for (const shard of this.#shards.values()) {
      shard.verify();
      this.#wake(shard);
    }
    this.#checkLater();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#ready.size > 0 && !this.#closed) {
      const progress = new Set<Progress>();
      for (const shard of [...this.#ready]) {
        // It may have gone meanwhile.
        if (!this.#ready.delete(shard)) continue;
        try {
          const step = this.#take(shard);
          this.#step = { shard, ended: step.catch(() => {}) };
          const did = await step;
          this.#answered();
          failures = 0;
          if (did === 'other') this.#incarnation = undefined;
          if (did !== 'done' && this.#shards.get(shard.chain) === shard) this.#ready.add(shard);
          progress.add(did);
        } catch (error) {
          if (!(error instanceof FlexemrError)) throw error;
          // The next check goes on. Nothing is lost: the log keeps it.
          this.#silent(error);
          this.#putLast(shard);
          if (++failures === updateFailuresMax) this.#ready.clear();
        }
        if (this.#closed) return;
      }
      if (progress.has('later') && !progress.has('more') && !progress.has('other'))
        await new Promise((done) => setTimeout(done, updateLaterMs));
    }
  }

  async #take(shard: FollowedShard): Promise<Progress> {
    this.#incarnation ??= await this.#updates.incarnation();
    // It may have gone meanwhile.
    return this.#shards.get(shard.chain) === shard ? shard.step(this.#updates, this.#incarnation) : 'done';
  }

  /** If the log does not answer for some shards only, they do not keep others from their turn. */
  #putLast(shard: FollowedShard): void {
    if (this.#shards.delete(shard.chain)) this.#shards.set(shard.chain, shard);
  }

  #answered(): void {
    if (!this.isAway) return;
    this.isAway = false;
    this.#log?.info({}, 'the log of row updates answers again');
  }

  #silent(error: unknown): void {
    if (this.isAway || this.#closed) return;
    this.isAway = true;
    this.#log?.warn(
      { err: error },
      'the log of row updates does not answer: lookups go on with the rows that are there',
    );
  }

  /** @returns once no batch is being written */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#check);
    for (const deaf of this.#deaf.values()) deaf();
    await this.#running;
  }
}
