import type { Leftovers } from './leftovers.ts';
import type { Racer } from './race.ts';
import type { RequestBatch } from './requests.ts';
import type { Workload } from './workload.ts';

/** The workload that contenders are started for, and the files that they use. */
export interface Serving {
  readonly workload: Workload;
  /** The safetensors file of its rows (docs/export.md). */
  readonly tablesFile: string;
  /** A directory for files of contenders. */
  readonly directory: string;
  readonly leftovers: Leftovers;
  /** Names of the contenders to measure. Others need not be started. Empty: all. */
  readonly wanted: readonly string[];
}

/** Vectors. If they are disposable, the caller disposes them after use. */
export type Answer = readonly Float32Array[] & Partial<Disposable>;

/** One way to look up pooled vectors. The thread that calls it connects its sockets. */
export interface Contender {
  readonly name: string;
  /** Looks up f32 [samples, dim] of every feature, in order. */
  lookup(batch: RequestBatch): Promise<Answer>;
  /** The processes of the servers. This process is the client. */
  serverPids(): number[];
  /** Measures rounds of these batches by itself. Without it, `lookup` is called for each batch. */
  racer?(batches: readonly RequestBatch[], inFlight: number): Racer;
}

/** Contenders that share a server. */
export interface Peer {
  readonly contenders: readonly Contender[];
  close(): Promise<void>;
}

export interface PeerFactory {
  readonly name: string;
  /** Whether the other contenders are compared with its contenders. */
  readonly ours?: boolean;
  /** Whether the run succeeds if this machine lacks what the peer needs. The report says so. */
  readonly optional?: boolean;
  /** @throws Absent */
  start(serving: Serving): Promise<Peer>;
}
