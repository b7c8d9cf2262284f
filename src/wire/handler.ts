// Where listeners and memory nodes meet: a listener brings bytes, a handler has room for them and answers.
import type { FrameIdentity } from './frame-identity.ts';
import type { WireError } from './reply.ts';
import type { Slices } from './slices.ts';

/** Room for one subrequest. Whoever has it gives it back, exactly once, by `release`. */
export interface Inbox {
  /** Where its bytes go. 4-aligned. */
  readonly frame: Uint8Array;
  /** The frame is whole. `done` comes once, perhaps before this returns; the reply stays in place until `release`. */
  answer(done: (reply: Uint8Array) => void): void;
  /** The reply has left, or nobody waits for it any more. */
  release(): void;
}

/** Whether a subrequest was refused for want of a place or of room, which others may give back. */
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
  }[];
}

/** What a node says of itself. */
export interface NodeDescription {
  readonly node: string;
  /** Fingerprint of its routing table, 16 hexadecimal digits. */
  readonly plan: string;
  readonly wireVersions: readonly [oldest: number, newest: number];
  /** Ports of its workers, on the host it was reached by. */
  readonly workers: readonly { readonly port: number }[];
  readonly limits: {
    readonly subrequestBytes: number;
    readonly replyBytes: number;
    readonly subrequestKeys: number;
    readonly sessionWindow: number;
  };
  /** What each planned table in its file is known by (store/content.ts), by its name; older nodes do not say. */
  readonly contents?: Readonly<Record<string, string>> | undefined;
  readonly tables: readonly ServedTable[];
}

/** A memory node's worker, as listeners see it. */
export interface Handler {
  /** Room for a subrequest of `bytes`, or why there is none. */
  admit(bytes: number): Inbox | WireError;
  /** The error reply to a subrequest that was not admitted. */
  refuse(identity: FrameIdentity, error: WireError): Uint8Array;
  /** Tables are there, and it is not draining. */
  readonly ready: boolean;
  describe(): NodeDescription;
  /** A lookup in JSON, for people and portable tools, in slices. @throws FlexemrError */
  lookupJson(body: unknown, slices?: Slices): Promise<unknown>;
}
