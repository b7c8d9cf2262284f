import {
  windowDecreaseMax,
  windowIncrease,
  windowProbeMsMin,
  windowProbeRoundTripsMin,
  windowRepliesMin,
  windowTargetMs,
} from '../credit-limits.ts';
import { sessionWindow } from '../limits.ts';

/** When a subrequest was sent, and when its reply got a credit, if it had to wait for one: by `performance.now()`. */
export interface Sent {
  readonly sentAt: number;
  readonly grantedAt: number | undefined;
}

/**
 * How many subrequests may be in flight to one worker. It follows how long they wait there: the delay is the round trip without the
 * time that the worker itself has worked. If the least delay of a round is more than a target above the delay of a subrequest that
 * is alone, subrequests wait for each other at the worker, and there may be fewer of them. Otherwise there may be more.
 *
 * A round begins whenever the window changes, and counts subrequests that were sent since. So the window changes at most
 * once per round trip. One quick reply proves that no queue stands, so that jitter, and pauses of the ranker, shrink nothing.
 */
export class SessionWindow {
  #size = sessionWindow;
  /** What the worker allows. */
  #most: number;
  /** The least delay since the last probe. */
  #baseMs = Number.POSITIVE_INFINITY;
  /** While it probes, one subrequest is alone in flight, and its delay is the new base. */
  #probing = false;
  #probedAt = Number.NEGATIVE_INFINITY;
  /** When the round began, its replies, and the least delay of them. */
  #since = Number.NEGATIVE_INFINITY;
  #replies = 0;
  #leastMs = Number.POSITIVE_INFINITY;

  /** @param credits what the worker allows */
  constructor(credits: number) {
    this.#most = bounded(credits);
  }

  /** From 1 to `sessionWindow`. */
  get size(): number {
    return this.#probing ? 1 : Math.min(this.#most, Math.floor(this.#size));
  }

  /** The worker allows so many. */
  allow(credits: number): void {
    this.#most = bounded(credits);
  }

  /** A subrequest was answered. @param busyMs of its worker, for it */
  answered({ sentAt, grantedAt }: Sent, busyMs: number): void {
    const now = performance.now();
    const ms = Math.max(0, now - (grantedAt ?? sentAt) - busyMs);
    // Before its grant, a reply may have waited for the ranker alone.
    if (grantedAt === undefined) this.#baseMs = Math.min(this.#baseMs, ms);
    if (sentAt <= this.#since) return;
    if (this.#probing && grantedAt === undefined) {
      this.#baseMs = ms;
      this.#endProbe(now);
    } else if (!this.#probing) this.#add(ms, now);
  }

  /** A subrequest has no answer yet, and nobody waits for it any more. */
  late({ sentAt, grantedAt }: Sent): void {
    const now = performance.now();
    const ms = now - (grantedAt ?? sentAt);
    if (sentAt <= this.#since || !isQueue(ms - this.#baseMs)) return;
    if (this.#probing) this.#endProbe(now);
    else this.#add(ms, now);
  }

  /** A subrequest has ended, also if that says nothing about a queue. */
  ended({ sentAt }: Sent): void {
    if (!this.#probing || sentAt <= this.#since) return;
    this.#probing = false;
    this.#begin(performance.now());
  }

  #endProbe(now: number): void {
    this.#probing = false;
    this.#decide(now);
  }

  #add(ms: number, now: number): void {
    this.#replies++;
    this.#leastMs = Math.min(this.#leastMs, ms);
    if (!isQueue(this.#leastMs - this.#baseMs)) this.#decide(now);
    else if (this.#replies >= Math.max(windowRepliesMin, this.#size)) this.#suspect(now);
  }

  /** Replies take long. If nobody has measured lately how long they take when nothing is in flight, that comes first. */
  #suspect(now: number): void {
    if (now - this.#probedAt < Math.max(windowProbeMsMin, windowProbeRoundTripsMin * this.#baseMs)) {
      this.#decide(now);
      return;
    }
    this.#probing = true;
    this.#probedAt = now;
    this.#since = now;
  }

  #decide(now: number): void {
    const excessMs = this.#leastMs - this.#baseMs;
    if (isQueue(excessMs)) {
      const share = (excessMs - windowTargetMs) / excessMs;
      this.#size = Math.max(1, this.#size * (1 - Math.min(windowDecreaseMax, share)));
    } else {
      const grown = excessMs > windowTargetMs / 2 ? this.#size + 1 : this.#size * windowIncrease + 1;
      this.#size = Math.min(sessionWindow, grown);
    }
    this.#begin(now);
  }

  #begin(now: number): void {
    this.#since = now;
    this.#replies = 0;
    this.#leastMs = Number.POSITIVE_INFINITY;
  }
}

function bounded(credits: number): number {
  return Math.max(1, Math.min(sessionWindow, credits));
}

function isQueue(excessMs: number): boolean {
  return excessMs > windowTargetMs;
}
