import type { Leftovers } from './leftovers.ts';
import type { RequestBatch } from './requests.ts';
import type { Workload } from './workload.ts';

/** What contenders are started for. */
export interface Serving {
  readonly workload: Workload;
  /** Its rows, safetensors (docs/export.md). */
  readonly tablesFile: string;
  /** A directory for files. */
  readonly directory: string;
  readonly leftovers: Leftovers;
}

/** Vectors, and perhaps a way to say that they have been used. */
export type Answer = readonly Float32Array[] & Partial<Disposable>;

/** One way to look up pooled vectors over the network. Its sockets are connected by the thread that calls it. */
export interface Contender {
  readonly name: string;
  /** f32 [samples, dim] of every feature, in order. */
  lookup(batch: RequestBatch): Promise<Answer>;
  /** The processes whose CPU is the servers'; this process is the client. */
  serverPids(): number[];
}

/** Contenders that share a server. */
export interface Peer {
  readonly contenders: readonly Contender[];
  close(): Promise<void>;
}

export interface PeerFactory {
  readonly name: string;
  /** Its contenders are what others are compared with. */
  readonly ours?: boolean;
  /** @throws Absent */
  start(serving: Serving): Promise<Peer>;
}
