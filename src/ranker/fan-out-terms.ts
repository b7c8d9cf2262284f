// What all subrequests of a lookup share while they are sent.
import type { ErrorCode } from '../errors.ts';
import type { TraceContext, Tracer } from '../wire/trace.ts';
import type { AttemptBudget } from './attempt-budget.ts';
import type { Deadline } from './deadline.ts';
import type { LateClock } from './late-clock.ts';

export interface FanOut {
  readonly budget: AttemptBudget;
  /** Undefined: late subrequests are not sent to a second node. */
  readonly hedges: AttemptBudget | undefined;
  /** Tells what it hedges when it is late. */
  readonly clock: LateClock;
  readonly deadline: Deadline;
  /** Records each attempt. */
  readonly tracer: Tracer | undefined;
  /** Where the lookup is in a trace. */
  readonly trace: TraceContext | undefined;
  readonly stats: { retries: number; hedged: number; hedgesWon: number };
  /** Called after each attempt. */
  readonly onSubrequest: ((end: SubrequestEnd) => void) | undefined;
}

/** How an attempt of a subrequest has ended. */
export interface SubrequestEnd {
  readonly node: string;
  /** Milliseconds, with the wait for a credit. */
  readonly ms: number;
  /** Undefined if it was answered. */
  readonly code: ErrorCode | undefined;
}
