import type { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { DONE } from '../kernel/layout.ts';
import { sessionWindow } from '../limits.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import { errorOf } from '../lookup/node-error.ts';
import type { Outgoing, RowRead } from '../transport/transport.ts';
import { type FrameIdentity, writeIdentity } from '../wire/frame-identity.ts';
import { writeTrace } from '../wire/frame-trace.ts';
import * as wire from '../wire/layout.ts';
import { invalidReply, type Reply, type WireError } from '../wire/reply.ts';
import type { TraceContext } from '../wire/trace.ts';
import type { Deadline } from './deadline.ts';
import type { NodeClient } from './node-client.ts';
import { badResults, checkReply } from './reply-check.ts';
import type { Route } from './route.ts';

/** The identity of a reply that the transport builds itself, from rows that it has read without sending a frame. */
const unsent: FrameIdentity = { id: 0, version: wire.wireVersion, checksum: false };

/** How the subrequests of a lookup are sent. */
export interface Sending {
  readonly route: Route;
  readonly deadline: Deadline;
  /** Frames carry checksums if nothing else detects bits that change in transit. */
  readonly checksums: boolean;
}

/** What a lookup asks of one node: a frame in its memory, and the reply. */
export class Subrequest implements Outgoing {
  readonly client: NodeClient;
  /** Its place among the frames of the lookup. */
  readonly number: number;
  readonly bytes: number;
  /** Expected length of the reply, and length of the longest valid reply. */
  readonly replyBytes: number;
  readonly replyBytesMax: number;
  /** Why there is no reply. */
  error: FlexemrError | undefined;
  reply: Reply | undefined;
  /** Where its current attempt is in a trace. */
  trace: TraceContext | undefined;
  readonly #asked: AskedLookup;
  readonly #sending: Sending;
  /** Address of its frame. */
  readonly #address: number;
  /** The fields of its last frame that the reply must repeat. */
  #sent: FrameIdentity = unsent;

  constructor(asked: AskedLookup, number: number, sending: Sending) {
    this.#asked = asked;
    this.#sending = sending;
    this.number = number;
    this.client = sending.route.states[this.#at(layout.SENT_NODE)];
    this.bytes = this.#at(layout.SENT_BYTES);
    this.replyBytes = this.#at(layout.SENT_REPLY_BYTES);
    this.replyBytesMax = this.#at(layout.SENT_REPLY_BYTES_MAX);
    this.#address = this.#at(layout.SENT_ADDRESS);
    this.error = undefined;
    this.reply = undefined;
    this.trace = undefined;
  }

  #at(field: number): number {
    return this.#asked.sent(this.number, field);
  }

  /** Numbers of the shards that it asks for. */
  get shards(): number[] {
    return this.#asked.segmentsOf(this.number).map((segment) => this.#asked.shardOf(segment));
  }

  get node(): string {
    return this.client.id;
  }

  /** The rows that it asks for; undefined if it asks for something else, or if rows cannot be read now. */
  get reads(): readonly RowRead[] | undefined {
    if (this.#at(layout.SENT_READS) === 0 || !this.client.readsRows) return undefined;
    const { fingerprint: plan } = this.#sending.route;
    return this.#asked.segmentsOf(this.number).map((segment) => {
      const { version, rowBytes } = this.#asked.tableOf(segment);
      const [shard, keys] = [this.#asked.shardOf(segment), this.#asked.keysOf(segment)];
      return { plan, shard, version, keys, rowBytes };
    });
  }

  /** Called before each attempt, when no frame has been sent that a reply could answer. */
  begin(trace: TraceContext | undefined): void {
    this.#sent = unsent;
    this.trace = trace;
  }

  /** Writes the frame from word `at` on. If the lookup has ended, nobody waits for the reply, and the frame is empty. */
  write(to: Uint32Array, at: number, id: number, exposed: boolean, held = false): void {
    const length = this.bytes >>> 2;
    if (!this.#asked.isOpen) {
      to.fill(0, at, at + length);
      return;
    }
    const { route, deadline, checksums } = this.#sending;
    const version = this.client.wireVersion;
    const checksum = checksums && exposed && version > 1;
    this.#sent = { id, version, checksum };
    const { words, kernels } = this.#asked.memory;
    const frame = this.#address >>> 2;
    writeIdentity(words, frame, this.#sent);
    // An attempt before may have written its own context.
    if (this.trace !== undefined) writeTrace(words, frame, version > 1 ? this.trace : undefined);
    const timeLeftUs = Math.max(1, Math.min(0xffffffff, Math.floor(deadline.leftMs * 1000)));
    words[frame + (wire.SUBREQUEST_TIME_LEFT_US >>> 2)] = timeLeftUs;
    words[frame + (wire.SUBREQUEST_REPLY_CREDITS >>> 2)] = held ? 0 : sessionWindow;
    route.writeFingerprint(words, frame + (wire.SUBREQUEST_PLAN >>> 2));
    words[frame + (wire.FRAME_CHECKSUM >>> 2)] = 0;
    if (checksum) {
      const sum = kernels.checksum(this.#asked.at(layout.ASK_WORK), this.#address, this.bytes);
      words[frame + (wire.FRAME_CHECKSUM >>> 2)] = sum;
    }
    to.set(words.subarray(frame, frame + length), at);
  }

  /** Checks that a reply is complete and answers the last frame. @returns the reply @throws INVALID_FRAME if not */
  check(reply: Reply): Reply {
    checkReply(reply, this.#sent, this.#sending.route.workspace);
    return reply;
  }

  /** Takes the reply. @throws INVALID_FRAME if it does not match the subrequest, OUT_OF_MEMORY */
  answered(reply: Reply): void {
    reply.checkLength(this.replyBytes, this.#at(layout.SENT_SEGMENTS), this.#at(layout.SENT_KEYS));
    const { memory, block } = this.#asked;
    const from = wire.HEADER_BYTES + this.#at(layout.SENT_VALUES_BYTES);
    const bytes = reply.bytes.length - from;
    // A reply without exceptions has memory beside the frame, where the merge reads it.
    const kept = reply.bytes.length === this.replyBytes;
    const room = kept
      ? { memory, address: this.#at(layout.SENT_TAIL), free: () => {} }
      : this.#sending.route.workspace.mergeRoom(this.#asked, bytes);
    memory.words[(this.#asked.frame(this.number) + layout.SENT_TAIL_KEPT) >>> 2] = Number(kept);
    reply.copyTail(from, room.memory, room.address);
    const { kernels, words } = room.memory;
    const status = kernels.checkReply(block, this.number, room.address, bytes, reply.exceptionCount);
    const position = words[(block + layout.ASK_ERROR_POSITION) >>> 2];
    const value = words[(block + layout.ASK_ERROR_VALUE) >>> 2];
    room.free();
    if (status !== DONE) throw badResults(status, position, value, this.#at(layout.SENT_KEYS));
    this.reply = reply;
  }

  /** Translates a node's error into terms of the lookup: its features, and positions in their keys. */
  errorOf(error: WireError): FlexemrError {
    const segments = this.#asked.segmentsOf(this.number);
    const segment = segments[error.segment ?? 0];
    if (segment !== undefined) return errorOf(this.#asked, segment, error);
    const problem = `reports an error in segment ${error.segment} of ${segments.length}`;
    throw invalidReply(problem, error.segment);
  }
}
