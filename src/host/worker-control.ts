// What the main thread of a memory node asks of its workers. Control only: no lookup passes here.
import { type ErrorCode, FlexemrError } from '../errors.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import type { WorkerStats } from '../memory-node/memory-node.ts';
import type { ListenerOptions } from '../transport/listener.ts';
import type { DeviceTokens } from '../transport/rdma/device.ts';
import type { ReadableShard } from '../transport/rdma/handshake.ts';

/** The device that the main thread has opened, and the rows that it lets rankers read. */
export interface RdmaServing {
  readonly device: DeviceTokens;
  readonly shards: readonly ReadableShard[];
}

export interface WorkerControl {
  /** Opens the worker's own port, and the common one if there is one. @returns its own port */
  listen(own: ListenerOptions, common: ListenerOptions | undefined): Promise<Outcome<number>>;
  /** Serves shards from now on. @param ports of all workers @param rdma by RDMA too */
  host(hosting: Hosting, ports: readonly number[], rdma: RdmaServing | undefined): Promise<Outcome<void>>;
  stats(): WorkerStats;
  /** Takes no more subrequests, answers those it holds, and closes its ports. */
  drain(): Promise<void>;
}

/** What a worker has the main thread log. */
export interface Warning {
  readonly warned: object;
  readonly message: string;
}

/** What came of a call. An error that is thrown reaches the other thread with its name and message alone. */
export interface Outcome<T> {
  readonly value?: T;
  readonly failure?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly field: string | undefined;
    /** Where it is a number or a text. */
    readonly value: unknown;
  };
}

export async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof FlexemrError)) throw error;
    const { code, message, field, value } = error;
    const plain = typeof value === 'number' || typeof value === 'string' ? value : undefined;
    return { failure: { code, message, field, value: plain } };
  }
}

/** @throws what the other thread met */
export function resultOf<T>({ value, failure }: Outcome<T>): T {
  if (failure === undefined) return value as T;
  const { code, message, field, value: found } = failure;
  throw new FlexemrError(code, message, { field, value: found });
}
