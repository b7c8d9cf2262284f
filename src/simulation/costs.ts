// How long work takes in a simulation. All of it is in nanoseconds of one thread.
import * as v from 'valibot';
import { check, numberWhere, options } from '../check.ts';
import type { ThreadCosts } from './processor.ts';

/** How often, and for how long, the garbage collector stops a thread. */
export interface PauseCosts {
  /** Work from one pause to the next. */
  readonly every: number;
  readonly pause: number;
}

export interface Costs {
  /** Of every thread that waits for a network. */
  readonly thread: {
    /** From an event until a thread runs that has waited for it. */
    readonly wake: number;
    /** Reading what has arrived on one connection, and writing to one. */
    readonly read: number;
    readonly write: number;
    /** After it has written: until it can read again. */
    readonly rest: number;
  };
  /** Of a worker of a memory node. */
  readonly node: {
    readonly subrequest: number;
    /** The bags of one shard in a subrequest. */
    readonly segment: number;
    readonly key: number;
    /** A byte of the rows that are read. */
    readonly rowByte: number;
    readonly replyByte: number;
  };
  /** Of a ranker. */
  readonly ranker: {
    readonly lookup: number;
    readonly feature: number;
    readonly key: number;
    /** Sending it, and taking its reply. */
    readonly subrequest: number;
    readonly replyByte: number;
  };
  /** They are not a part of the work above. Undefined: there are none. */
  readonly pauses?: { readonly node: PauseCosts; readonly ranker: PauseCosts } | undefined;
}

const ns = numberWhere((value) => Number.isFinite(value) && value >= 0, 'a number of nanoseconds, 0 or more');
const pauses = options({ every: ns, pause: ns });
const costs = options({
  thread: options({ wake: ns, read: ns, write: ns, rest: ns }),
  node: options({ subrequest: ns, segment: ns, key: ns, rowByte: ns, replyByte: ns }),
  ranker: options({ lookup: ns, feature: ns, key: ns, subrequest: ns, replyByte: ns }),
  pauses: v.optional(options({ node: pauses, ranker: pauses })),
});

/** @throws INVALID_OPTION */
export function checkCosts(given: unknown): Costs {
  return check(costs, given, 'costs');
}

/** @param of what the thread is of */
export function threadCosts({ thread, pauses }: Costs, of: 'node' | 'ranker'): ThreadCosts {
  const { wake, read, write, rest } = thread;
  const { every, pause } = pauses?.[of] ?? { every: 0, pause: 0 };
  return {
    ...{ wakeMs: ms(wake), readMs: ms(read), writeMs: ms(write), restMs: ms(rest) },
    pauses: { everyMs: ms(every), ms: ms(pause) },
  };
}

/** Milliseconds of nanoseconds. */
export function ms(nanoseconds: number): number {
  return nanoseconds / 1e6;
}
