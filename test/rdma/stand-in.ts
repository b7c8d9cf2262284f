// Controls the stand-in for libibverbs in this process. stand-in/stand_in.h documents it.
import { createRequire } from 'node:module';
import { buildControls, buildStandIn } from './stand-in/build.ts';

/** Counts of the work of one doorbell's queues. */
export interface Work {
  /** The number of calls that posted sends; `sends` is the number of sends. */
  readonly doorbells: number;
  readonly sends: number;
  /** The sends whose bytes were copied by posting. */
  readonly inlineSends: number;
  readonly receiveDoorbells: number;
  readonly receives: number;
  /** The number of polled completions. */
  readonly polls: number;
  /** How often a thread waited for a shared doorbell that another thread held. */
  readonly contended: number;
  /** The number of threads that rang the doorbell. Of several doorbells: the largest number. */
  readonly threads: number;
}

/** The number of live objects of each kind. */
export interface Live {
  readonly contexts: number;
  readonly protectionDomains: number;
  readonly threadDomains: number;
  readonly parentDomains: number;
  readonly memoryRegions: number;
  readonly completionChannels: number;
  readonly completionQueues: number;
  readonly sharedReceiveQueues: number;
  readonly queuePairs: number;
  readonly registeredBytes: number;
}

/** The controls of the only stand-in of this process. */
export interface StandIn {
  /** The path of the library. IBVERBS_LIBRARY must have this value before ibverbs-node is first used. */
  readonly path: string;
  live(): Live;
  /** The work of all live thread domains, oldest first. */
  threadDomains(): Work[];
  /** The work of all queues without a thread domain. */
  sharedWork(): Work;
  /** The work of the doorbells that queue pairs of a device without a thread domain share. */
  sharedDoorbells(device: number): Work[];
  /**
   * Queue pairs without a thread domain, created from now on, share `count` doorbells of their device: 1…16, by default 16.
   * @returns 0 or EINVAL
   */
  limitDoorbells(count: number): number;
  /** Only rings a shared doorbell, `times` times, for a request of 32 inline bytes. @returns 0 or EINVAL */
  ring(device: number, doorbell: number, times: number): number;
  /** How often a second thread used objects of a thread domain. */
  violations(): number;
  lastViolation(): string | undefined;
  /** The number of completions that were lost in full queues. */
  overruns(): number;
  /** @returns 0, or EINVAL for a verb that cannot be made to fail */
  failNext(verb: string, errno: number, count: number): number;
  /** @param status an ibv_wc_status */
  failSends(status: number, count: number): void;
  /** @param state an ibv_port_state: 1 down, 4 active. @returns 0 or EINVAL */
  setPortState(device: number, state: number): number;
  /** @returns 0 or ENOENT */
  failQueuePair(number: number): number;
  /** 0: no limit. */
  limitRegisteredBytes(bytes: number): void;
  /** Holds sends in flight from now on. */
  hold(): void;
  /** @returns how many held sends were executed */
  step(count: number): number;
  release(): void;
  reset(): void;
}

/** The sums of the sends. */
export function total(works: readonly Work[]): Pick<Work, 'sends' | 'inlineSends'> {
  const sum = (of: 'sends' | 'inlineSends'): number => works.reduce((all, work) => all + work[of], 0);
  return { sends: sum('sends'), inlineSends: sum('inlineSends') };
}

/** Builds the stand-in if necessary, and opens its controls. */
export function openStandIn(): StandIn {
  const path = buildStandIn();
  const controls = createRequire(import.meta.url)(buildControls());
  controls.open(path);
  return { path, ...controls };
}
