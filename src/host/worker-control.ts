// The calls by which the main thread of a memory node controls its workers. No lookup goes through them.
import type { MessagePort } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';
import { errorOf, type Failure, failureOf } from '../failure.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import type { MemoryNodeTuning } from '../memory-node/tuning.ts';
import type { GateMemory } from '../memory-node/write-gate.ts';
import type { WorkerReport } from '../telemetry/worker-report.ts';
import type { PortOptions } from '../transport/http-port.ts';
import type { DeviceTokens } from '../transport/rdma/device.ts';
import type { ReadableReleases } from '../transport/rdma/rdma-port.ts';
import type { ReleaseStatus } from '../wire/handler.ts';

/** What a worker is started with. */
export interface WorkerTuning extends MemoryNodeTuning {
  /** The gate to the rows, if they change, and the place of the worker in it. */
  readonly gate?: { readonly words: GateMemory; readonly worker: number } | undefined;
}

/** The device that the main thread has opened, and the rows of the releases, which it lets rankers read. */
export interface RdmaServing {
  readonly device: DeviceTokens;
  readonly releases: ReadableReleases;
}

/** What a worker serves. */
export interface Serving {
  /** The current release first. */
  readonly hostings: readonly [Hosting, ...Hosting[]];
  /** Releases that the node does not serve yet. */
  readonly coming: readonly ReleaseStatus[];
  /** As in NodeDescription. */
  readonly next: string | null | undefined;
  /** Ports of all workers. */
  readonly ports: readonly number[];
  /** Given if the worker serves by RDMA too. */
  readonly rdma: RdmaServing | undefined;
}

/** The same as it is sent: each memory once, because a thread that gets one collects all of its garbage. */
export interface SentServing extends Omit<Serving, 'hostings'> {
  readonly module: WebAssembly.Module;
  /** Those that the worker does not have yet. */
  readonly memories: readonly WebAssembly.Memory[];
  readonly releases: readonly Omit<Hosting, 'module' | 'memories'>[];
}

export interface WorkerControl {
  /** Opens the worker's own port, and the common one if there is one. @returns its own port */
  listen(own: PortOptions, common: PortOptions | undefined): Promise<Outcome<number>>;
  /** Serves these releases from now on, and no others. */
  host(serving: SentServing): Promise<Outcome<void>>;
  /** Waits until no subrequest and no READ uses the rows of releases that `host` has left out. */
  unused(): Promise<void>;
  stats(): WorkerReport;
  /** Takes no more subrequests, answers those that it holds, and closes its ports. */
  drain(): Promise<void>;
}

/** A warning of a worker, which the main thread logs. */
export interface Warning {
  readonly warned: object;
  readonly message: string;
}

/** A request of a worker for the metrics of the whole node. The main thread sends them as text to this port. */
export interface MetricsRequest {
  readonly metricsTo: MessagePort;
}

/** The outcome of a call. */
export interface Outcome<T> {
  readonly value?: T;
  readonly failure?: Failure;
}

export async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof FlexemrError)) throw error;
    return { failure: failureOf(error) };
  }
}

/** @throws the error of the other thread */
export function resultOf<T>({ value, failure }: Outcome<T>): T {
  if (failure === undefined) return value as T;
  throw errorOf(failure);
}
