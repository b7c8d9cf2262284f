// The stand-in for libibverbs, for tests in this process: what is true of it says stand-in/stand_in.h.
import { createRequire } from 'node:module';
import { buildControls, buildStandIn } from './stand-in/build.ts';

/** What was asked of one doorbell's queues. */
export interface Work {
  /** Calls that posted sends, and how many they posted. */
  readonly doorbells: number;
  readonly sends: number;
  /** Those of them whose bytes were copied while posting. */
  readonly inlineSends: number;
  readonly receiveDoorbells: number;
  readonly receives: number;
  /** Completions. */
  readonly polls: number;
}

/** Objects alive, by kind. */
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

/** Controls of the one stand-in of this process. */
export interface StandIn {
  /** The library: what IBVERBS_LIBRARY has to be before ibverbs-node is first used. */
  readonly path: string;
  live(): Live;
  /** Of live thread domains, oldest first. */
  threadDomains(): Work[];
  /** Of all queues in no thread domain. */
  sharedWork(): Work;
  /** Uses of a thread domain's objects by a second thread. */
  violations(): number;
  lastViolation(): string | undefined;
  /** Completions lost in full queues. */
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
  /** Sends stay in flight. */
  hold(): void;
  /** @returns how many held sends were executed */
  step(count: number): number;
  release(): void;
  reset(): void;
}

/** Sends of all of them. */
export function total(works: readonly Work[]): Pick<Work, 'sends' | 'inlineSends'> {
  const sum = (of: 'sends' | 'inlineSends'): number => works.reduce((all, work) => all + work[of], 0);
  return { sends: sum('sends'), inlineSends: sum('inlineSends') };
}

/** Builds it where it is not yet built. */
export function openStandIn(): StandIn {
  const path = buildStandIn();
  const controls = createRequire(import.meta.url)(buildControls());
  controls.open(path);
  return { path, ...controls };
}
