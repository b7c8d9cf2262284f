import { retryMsMax, retryMsMin } from '../limits.ts';
import { loadHintMsMax } from '../replica-limits.ts';

/**
 * How a node has answered lately, so that a ranker can choose between nodes that hold the same rows. A node that has failed is
 * held: others are asked in its place. It is asked again when it has described itself: no lookup waits for a trial.
 */
export class NodeHealth {
  readonly #probe: () => Promise<void>;
  /** Consecutive failures, and the `performance.now()` until which the node is not even probed. 0: it is not held. */
  #failures = 0;
  #heldUntil = 0;
  #probing = false;
  /** Whether it is held because it failed, and not only because it is silent. */
  #failed = false;
  /** Subrequests that waited at the node, and when it said so. */
  #queued = 0;
  #heardAt = Number.NEGATIVE_INFINITY;

  /** @param probe asks the node to describe itself @throws if it does not */
  constructor(probe: () => Promise<void>) {
    this.#probe = probe;
  }

  /** A reply has come. @param queued subrequests that waited at the node then */
  answered(queued: number, now: number): void {
    this.#failures = 0;
    this.#release();
    this.#queued = queued;
    this.#heardAt = now;
  }

  #release(): void {
    this.#heldUntil = 0;
    this.#failed = false;
  }

  /** It has refused a subrequest, or could not be reached. */
  failed(now: number): void {
    this.#failed = true;
    this.suspect(now);
  }

  /** It may not answer at all. */
  suspect(now: number): void {
    this.#failures++;
    this.#heldUntil = now + Math.min(retryMsMax, retryMsMin * 2 ** this.#failures);
  }

  /** Whether other nodes are to be asked. Once it has been so for long enough, the node is probed. */
  isHeld(now: number): boolean {
    if (this.#heldUntil === 0) return false;
    if (now >= this.#heldUntil && !this.#probing) void this.#probeAgain();
    return true;
  }

  async #probeAgain(): Promise<void> {
    this.#probing = true;
    try {
      await this.#probe();
      this.#release();
    } catch {
      this.failed(performance.now());
    } finally {
      this.#probing = false;
    }
  }

  /** Whether it failed just now. What happened longer ago says little. */
  hasFailed(now: number): boolean {
    return this.#failed && now < this.#heldUntil;
  }

  /** Whether it has failed, and has neither replied nor described itself since. */
  get isLost(): boolean {
    return this.#failed;
  }

  /** Whether no reply has come since then. */
  isSilentSince(then: number): boolean {
    return this.#heardAt < then;
  }

  /** Subrequests that wait at the node, as far as it has said so just now. */
  queued(now: number): number {
    return now - this.#heardAt < loadHintMsMax ? this.#queued : 0;
  }
}
