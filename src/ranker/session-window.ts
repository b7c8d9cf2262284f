import {
  windowDecreaseMax,
  windowIncrease,
  windowProbeMsMin,
  windowProbeRoundTripsMin,
  windowRepliesMin,
  windowTargetMs,
} from '../credit-limits.ts';
import { sessionWindow } from '../limits.ts';
import type { ReplyCredit } from './reply-budget.ts';

/** A subrequest that was sent. */
export interface Sent {
  /** Its number in the session. */
  readonly number: number;
  /** The credit for its reply. */
  readonly credit: ReplyCredit;
}

/**
 * How many subrequests may be in flight to one worker. It follows how long they wait there: the delay is the round trip without the
 * time that the worker itself has worked. If the least delay of a round is more than a target above the delay of a subrequest that
 * is alone, subrequests wait for each other at the worker, and there may be fewer of them. Otherwise there may be more.
 *
 * A round begins whenever the window changes, and counts subrequests that were sent since the new window was full. So the window
 * changes at most once per round trip. One quick reply proves that no queue stands, so that jitter, and pauses of the ranker, shrink nothing.
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
  /** Subrequests so far, and those before the round. */
  #sent = 0;
  #before = 0;
  /** Replies of the round, and the least delay of them. */
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

  /** A subrequest is sent. @returns its number */
  send(): number {
    return ++this.#sent;
  }

  /** A subrequest was answered. @param busyMs of its worker, for it */
  answered({ number, credit }: Sent, busyMs: number): void {
    const now = performance.now();
    const ms = Math.max(0, now - credit.since - busyMs);
    // Before its credit, a reply has waited for the ranker alone, so the rest of its time is no round trip.
    if (!credit.waited) this.#baseMs = Math.min(this.#baseMs, ms);
    if (number <= this.#before) return;
    if (!this.#probing) this.#add(ms, now);
    else if (!credit.waited) {
      this.#baseMs = ms;
      this.#endProbe();
    }
  }

  /** A subrequest has no answer yet, and nobody waits for it any more. */
  late({ number, credit }: Sent): void {
    const now = performance.now();
    const ms = now - credit.since;
    if (number <= this.#before || !isQueue(ms - this.#baseMs)) return;
    if (this.#probing) this.#endProbe();
    else this.#add(ms, now);
  }

  /** A subrequest has ended, also if that says nothing about a queue. */
  ended({ number }: Sent): void {
    if (!this.#probing || number <= this.#before) return;
    this.#probing = false;
    this.#begin(this.size);
  }

  #endProbe(): void {
    this.#probing = false;
    this.#decide();
    this.#begin(this.size);
  }

  #add(ms: number, now: number): void {
    this.#replies++;
    this.#leastMs = Math.min(this.#leastMs, ms);
    if (!isQueue(this.#leastMs - this.#baseMs)) this.#decide();
    else if (this.#replies >= Math.max(windowRepliesMin, this.#size)) this.#suspect(now);
  }

  /** Replies take long. If nobody has measured lately how long they take when nothing is in flight, that comes first. */
  #suspect(now: number): void {
    if (now - this.#probedAt < Math.max(windowProbeMsMin, windowProbeRoundTripsMin * this.#baseMs)) {
      this.#decide();
      return;
    }
    this.#probing = true;
    this.#probedAt = now;
    this.#before = this.#sent;
  }

  #decide(): void {
    const excessMs = this.#leastMs - this.#baseMs;
    if (isQueue(excessMs)) {
      const share = (excessMs - windowTargetMs) / excessMs;
      this.#size = Math.max(1, this.#size * (1 - Math.min(windowDecreaseMax, share)));
      this.#begin(0);
    } else {
      const grown = excessMs > windowTargetMs / 2 ? this.#size + 1 : this.#size * windowIncrease + 1;
      this.#size = Math.min(sessionWindow, grown);
      this.#begin(this.size);
    }
  }

  /** Begins a round. @param filling subrequests that fill the window first, so that they need not wait as long as others will */
  #begin(filling: number): void {
    this.#before = this.#sent + filling;
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
