import type { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { DONE } from '../kernel/layout.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import { errorOf } from '../lookup/node-error.ts';
import type { RowRead } from '../transport/transport.ts';
import * as wire from '../wire/layout.ts';
import { invalidReply, type Reply, type WireError } from '../wire/reply.ts';
import type { Deadline } from './deadline.ts';
import type { NodeClient } from './node-client.ts';
import type { ReplicaSet } from './replica-set.ts';
import { badResults } from './reply-check.ts';
import type { Route } from './route.ts';
import type { WantedRows } from './wanted-rows.ts';

/** How the subrequests of a lookup are sent. */
export interface Sending {
  readonly route: Route;
  readonly deadline: Deadline;
  /** Frames carry checksums if nothing else detects bits that change in transit. */
  readonly checksums: boolean;
  readonly wanted: WantedRows | undefined;
}

/** What a lookup asks of the nodes of one replica set: a frame in its memory, which any of them answers, and the reply. */
export class Subrequest {
  readonly set: ReplicaSet;
  /** Its place among the frames of the lookup. */
  readonly number: number;
  readonly bytes: number;
  /** Expected length of the reply, and length of the longest valid reply. */
  readonly replyBytes: number;
  readonly replyBytesMax: number;
  readonly asked: AskedLookup;
  readonly sending: Sending;
  /** Address of its frame. */
  readonly address: number;
  /** Attempts that have begun. */
  attempts: number;
  /** Why there is no reply. */
  error: FlexemrError | undefined;
  reply: Reply | undefined;
  /** The last reply that lacked updates, although its rows may get them. */
  behind: FlexemrError | undefined;

  constructor(asked: AskedLookup, number: number, sending: Sending) {
    this.asked = asked;
    this.sending = sending;
    this.number = number;
    this.set = sending.route.states[this.#at(layout.SENT_NODE)];
    this.bytes = this.#at(layout.SENT_BYTES);
    this.replyBytes = this.#at(layout.SENT_REPLY_BYTES);
    this.replyBytesMax = this.#at(layout.SENT_REPLY_BYTES_MAX);
    this.address = this.#at(layout.SENT_ADDRESS);
    this.attempts = 0;
    this.error = undefined;
    this.reply = undefined;
    this.behind = undefined;
  }

  #at(field: number): number {
    return this.asked.sent(this.number, field);
  }

  /** Numbers of the shards that it asks for. */
  get shards(): number[] {
    return this.asked.segmentsOf(this.number).map((segment) => this.asked.shardOf(segment));
  }

  /** The rows that it asks for; undefined if it asks for something else. */
  get reads(): readonly RowRead[] | undefined {
    if (this.#at(layout.SENT_READS) === 0) return undefined;
    const { fingerprint: plan } = this.sending.route;
    return this.asked.segmentsOf(this.number).map((segment) => {
      const { version, rowBytes } = this.asked.tableOf(segment);
      const [shard, keys] = [this.asked.shardOf(segment), this.asked.keysOf(segment)];
      return { plan, shard, version, keys, rowBytes };
    });
  }

  /** The checksum of its frame. */
  checksum(): number {
    const { memory } = this.asked;
    return memory.kernels.checksum(this.asked.at(layout.ASK_WORK), this.address, this.bytes);
  }

  /**
   * Takes the reply. @throws INVALID_FRAME if it does not match the subrequest, OUT_OF_MEMORY; STALE_ROWS if its rows do not have the
   * updates that the lookup wants
   */
  answered(reply: Reply, { id }: NodeClient): void {
    reply.checkLength(this.replyBytes, this.#at(layout.SENT_SEGMENTS), this.#at(layout.SENT_KEYS));
    const stale = this.sending.wanted?.staleness(this.asked, this.number, reply, id);
    if (stale !== undefined) {
      reply.release();
      if (stale.isBehind) this.behind = stale.error;
      throw stale.error;
    }
    const { memory, block } = this.asked;
    const from = wire.HEADER_BYTES + this.#at(layout.SENT_VALUES_BYTES);
    // A reply without exceptions has memory beside the frame, where the merge reads it. The merge reads no sequences.
    const kept = reply.exceptionCount === 0;
    const end = kept ? this.replyBytes : reply.bytes.length;
    const bytes = end - from;
    const room = kept
      ? { memory, address: this.#at(layout.SENT_TAIL), free: () => {} }
      : this.sending.route.workspace.mergeRoom(this.asked, bytes);
    memory.words[(this.asked.frame(this.number) + layout.SENT_TAIL_KEPT) >>> 2] = Number(kept);
    reply.copyPart(from, end, room.memory, room.address);
    const { kernels, words } = room.memory;
    const status = kernels.checkReply(block, this.number, room.address, bytes, reply.exceptionCount);
    const position = words[(block + layout.ASK_ERROR_POSITION) >>> 2];
    const value = words[(block + layout.ASK_ERROR_VALUE) >>> 2];
    room.free();
    if (status !== DONE) throw badResults(status, position, value, this.#at(layout.SENT_KEYS));
    this.reply = reply;
  }

  /** Translates a node's error into terms of the lookup: its features, and positions in their keys. */
  errorOf(error: WireError, { id }: NodeClient): FlexemrError {
    const segments = this.asked.segmentsOf(this.number);
    const segment = segments[error.segment ?? 0];
    if (segment !== undefined) return errorOf(this.asked, segment, error, id);
    const problem = `reports an error in segment ${error.segment} of ${segments.length}`;
    throw invalidReply(problem, error.segment);
  }
}
