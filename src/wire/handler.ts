// The interface between listeners and memory nodes: a listener receives bytes, a handler stores and answers them.
import type { FrameIdentity } from './frame-identity.ts';
import type { WireError } from './reply.ts';
import type { Slices } from './slices.ts';
import type { TraceContext } from './trace.ts';

/** Memory for one subrequest. Its holder calls `release` exactly once. */
export interface Inbox {
  /** Where its bytes go. 4-aligned. */
  readonly frame: Uint8Array;
  /** Answers the complete frame. Calls `done` once, possibly before it returns. The reply is valid until `release`. */
  answer(done: (reply: Uint8Array) => void): void;
  /** Frees the memory: the reply was sent, or is no longer wanted. */
  release(): void;
}

/** Whether a subrequest was refused because places or memory are in use. A retry can succeed. */
export function isOverloaded(given: Inbox | WireError): boolean {
  return 'code' in given && given.code === 'OVERLOADED';
}

/** One table of a node, as `GET /v1/tables` lists it. */
export interface ServedTable {
  readonly name: string;
  readonly dim: number;
  readonly mode: string;
  readonly dtype: string;
  readonly version: number;
  readonly indexed: boolean;
  readonly shards: readonly {
    readonly shard: number;
    readonly begin: number;
    readonly end: number;
    readonly rows: number;
    /** How far it is in its chain of row updates, if it takes any. The number is decimal, because it may be larger than a double. */
    readonly updates?: { readonly incarnation: number; readonly number: string } | undefined;
  }[];
}

/** A release of the cluster, as one worker of a node has it. */
export interface ReleaseStatus {
  /** Fingerprint of its routing table, 16 hexadecimal digits. */
  readonly plan: string;
  readonly state: 'loading' | 'ready' | 'failed';
  /** Why it has failed. */
  readonly problem?: string | undefined;
  /** Milliseconds since the last subrequest that was planned for it, if it is ready. */
  readonly idleMs?: number | undefined;
  /** Content digest of each of its tables in its file, by name. */
  readonly contents?: Readonly<Record<string, string>> | undefined;
}

/** How a node describes itself. */
export interface NodeDescription {
  readonly node: string;
  /** Fingerprint of its routing table, 16 hexadecimal digits. */
  readonly plan: string;
  readonly wireVersions: readonly [oldest: number, newest: number];
  /** Ports of its workers, on the host of this address. */
  readonly workers: readonly { readonly port: number }[];
  readonly limits: {
    readonly subrequestBytes: number;
    readonly replyBytes: number;
    readonly subrequestKeys: number;
    readonly sessionWindow: number;
  };
  /** Content digest of each planned table in its file, by name (store/content.ts). Older nodes do not have it. */
  readonly contents?: Readonly<Record<string, string>> | undefined;
  readonly tables: readonly ServedTable[];
  /** All releases that it serves or loads; the other fields are about the first. Older nodes do not have it. */
  readonly releases?: readonly ReleaseStatus[] | undefined;
  /**
   * Plan of the release that comes next in the cluster, as far as the node knows; null: none. Nodes that follow no cluster, and older
   * ones, do not have it.
   */
  readonly next?: string | null | undefined;
}

/** The interface of a memory node's worker for listeners. */
export interface Handler {
  /** Reserves memory for a subrequest of `bytes` bytes, or returns the reason for refusing it. */
  admit(bytes: number): Inbox | WireError;
  /** The error reply to a subrequest that was not admitted. */
  refuse(identity: FrameIdentity, error: WireError): Uint8Array;
  /** Whether the tables are loaded and the worker is not draining. */
  readonly ready: boolean;
  describe(): NodeDescription;
  /** A lookup in JSON, for people and portable tools, in slices. @param trace of its sender @throws FlexemrError */
  lookupJson(body: unknown, slices?: Slices, trace?: TraceContext): Promise<unknown>;
}
