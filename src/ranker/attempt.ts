import type { FlexemrError } from '../errors.ts';
import { sessionWindow } from '../limits.ts';
import type { Outgoing, RowRead } from '../transport/transport.ts';
import { type FrameIdentity, writeIdentity } from '../wire/frame-identity.ts';
import { writeTrace } from '../wire/frame-trace.ts';
import * as wire from '../wire/layout.ts';
import type { Reply } from '../wire/reply.ts';
import type { TraceContext } from '../wire/trace.ts';
import type { NodeClient } from './node-client.ts';
import { checkReply } from './reply-check.ts';
import type { Subrequest } from './subrequest.ts';

/** The identity of a reply that the transport builds itself, from rows that it has read without sending a frame. */
const unsent: FrameIdentity = { id: 0, version: wire.wireVersion, checksum: false };

/** One attempt of a subrequest at one node. Several of them may be under way, with the same frame. */
export class Attempt implements Outgoing {
  readonly subrequest: Subrequest;
  readonly client: NodeClient;
  readonly bytes: number;
  readonly replyBytes: number;
  readonly replyBytesMax: number;
  /** Where it is in a trace. */
  readonly trace: TraceContext | undefined;
  /** Why there is no reply. */
  error: FlexemrError | undefined;
  reply: Reply | undefined;
  /** What the node says it waits for. */
  retryAfterMs = 0;
  /** The fields of its last frame that the reply must repeat. */
  #sent: FrameIdentity = unsent;

  constructor(subrequest: Subrequest, client: NodeClient, trace: TraceContext | undefined) {
    this.subrequest = subrequest;
    this.client = client;
    this.bytes = subrequest.bytes;
    this.replyBytes = subrequest.replyBytes;
    this.replyBytesMax = subrequest.replyBytesMax;
    this.trace = trace;
    this.error = undefined;
    this.reply = undefined;
  }

  /** The rows that it asks for; undefined if it asks for something else, or if rows cannot be read now. */
  get reads(): readonly RowRead[] | undefined {
    return this.client.readsRows ? this.subrequest.reads : undefined;
  }

  /** Writes the frame from word `at` on. If the lookup has ended, nobody waits for the reply, and the frame is empty. */
  write(to: Uint32Array, at: number, id: number, exposed: boolean, held = false): void {
    const { asked, address, sending } = this.subrequest;
    const length = this.bytes >>> 2;
    if (!asked.isOpen) {
      to.fill(0, at, at + length);
      return;
    }
    const { route, deadline, checksums } = sending;
    const version = this.client.wireVersion;
    const checksum = checksums && exposed && version > 1;
    this.#sent = { id, version, checksum };
    const { words } = asked.memory;
    const frame = address >>> 2;
    // Other attempts may have written theirs.
    writeIdentity(words, frame, this.#sent);
    if (this.trace !== undefined) writeTrace(words, frame, version > 1 ? this.trace : undefined);
    const timeLeftUs = Math.max(1, Math.min(0xffffffff, Math.floor(deadline.leftMs * 1000)));
    words[frame + (wire.SUBREQUEST_TIME_LEFT_US >>> 2)] = timeLeftUs;
    words[frame + (wire.SUBREQUEST_REPLY_CREDITS >>> 2)] = held ? 0 : sessionWindow;
    route.writeFingerprint(words, frame + (wire.SUBREQUEST_PLAN >>> 2));
    words[frame + (wire.FRAME_CHECKSUM >>> 2)] = 0;
    if (checksum) words[frame + (wire.FRAME_CHECKSUM >>> 2)] = this.subrequest.checksum();
    to.set(words.subarray(frame, frame + length), at);
  }

  /** Checks that a reply is complete and answers the last frame. @returns the reply @throws INVALID_FRAME if not */
  check(reply: Reply): Reply {
    checkReply(reply, this.#sent, this.subrequest.sending.route.workspace);
    return reply;
  }

  /** @throws as Subrequest.answered */
  answered(reply: Reply): void {
    this.subrequest.answered(reply, this.client);
    this.reply = reply;
  }
}
