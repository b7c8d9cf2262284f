import type { Socket } from 'node:net';
import type { ErrorCode } from '../errors.ts';
import { sessionWindow, togetherBytesMax } from '../limits.ts';
import { answerableIdentity, type FrameIdentity } from '../wire/frame-identity.ts';
import { type Handler, type Inbox, isOverloaded } from '../wire/handler.ts';
import {
  FRAME_BYTES,
  FRAME_ID,
  FRAME_MAGIC,
  HEADER_BYTES,
  SUBREQUEST_MAGIC,
  SUBREQUEST_REPLY_CREDITS,
  SUBREQUEST_TIME_LEFT_US,
} from '../wire/layout.ts';
import type { WireError } from '../wire/reply.ts';
import { CreditReader } from './credit-reader.ts';
import { HeldReplies } from './held-replies.ts';
import type { LookupRoom } from './http-lookup.ts';
import type { PortCounts } from './port-stats.ts';
import { ReplyWriter } from './reply-writer.ts';
import type { Unfinished, UnfinishedRequests } from './unfinished.ts';

export type StreamRoom = Pick<LookupRoom, 'handler' | 'unfinished' | 'counts'>;

/** One framed stream of a ranker. Replies are sent as they become ready, or as their credits grant them. */
export class ServedStream {
  readonly #socket: Socket;
  readonly #writer: ReplyWriter;
  readonly #counts: PortCounts;
  readonly #handler: Handler;
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  readonly #unfinished: UnfinishedRequests;
  #inbox: Inbox | undefined;
  /** The frame that is arriving in `#inbox`. */
  #coming: Unfinished | undefined;
  #filled = 0;
  /** Bytes of a refused frame that have not arrived yet. */
  #skip = 0;
  /** Inboxes whose reply has not been sent yet. */
  readonly #open = new Set<Inbox>();
  readonly #stuckMs: number;
  #stuck: NodeJS.Timeout | undefined;
  /** The peer has ended its side. */
  #ended = false;
  /** Undefined if the peer has not asked for credits: then no reply waits for them. */
  readonly #held: HeldReplies | undefined;
  #credits: CreditReader | undefined;

  /** @param credits replies may wait for credits */
  constructor(
    socket: Socket,
    { handler, unfinished, counts }: StreamRoom,
    stuckMs: number,
    credits: boolean,
  ) {
    this.#held = credits ? new HeldReplies() : undefined;
    this.#socket = socket;
    this.#writer = new ReplyWriter(socket, counts);
    this.#counts = counts;
    this.#handler = handler;
    this.#unfinished = unfinished;
    this.#stuckMs = stuckMs;
    socket.setTimeout(0);
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('drain', () => this.#resumeReading());
    socket.on('end', () => {
      this.#ended = true;
      this.#held?.dropWaiting();
      this.#endOnceAnswered();
    });
    socket.on('close', () => {
      clearTimeout(this.#stuck);
      this.#held?.close();
      this.#credits?.close();
      this.#coming?.end();
      this.#inbox?.release();
      for (const inbox of this.#open) inbox.release();
      this.#open.clear();
    });
  }

  take(chunk: Buffer): void {
    // Replies to the frames of one chunk are sent together, but the peer need not wait for all of many.
    this.#socket.cork();
    let at = 0;
    while (at < chunk.length && this.#writer.writable && this.#open.size < sessionWindow) {
      at += this.#takeSome(chunk, at);
      if (this.#socket.writableLength < togetherBytesMax) continue;
      this.#socket.uncork();
      this.#socket.cork();
    }
    this.#socket.uncork();
    this.#counts.bytesReceived += at;
    if (this.#inbox !== undefined && this.#coming === undefined) this.#await(this.#inbox);
    this.#watch();
    const isTaken = at === chunk.length || !this.#writer.writable;
    // A peer whose window is full may still end its connection, so reading stops only when it sends more.
    if (isTaken && !this.#socket.writableNeedDrain) return;
    this.#socket.pause();
    if (!isTaken) this.#socket.unshift(chunk.subarray(at));
    this.#resumeReading();
  }

  /** The session has as many requests in flight as it may have, or the peer does not read its replies fast enough. */
  get #full(): boolean {
    return this.#open.size >= sessionWindow || this.#socket.writableNeedDrain;
  }

  #takeSome(chunk: Buffer, at: number): number {
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, chunk.length - at);
      this.#skip -= skipped;
      return skipped;
    }
    return this.#inbox === undefined ? this.#takeHeader(chunk, at) : this.#takeBody(this.#inbox, chunk, at);
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const count = Math.min(HEADER_BYTES - this.#headerFilled, chunk.length - at);
    chunk.copy(this.#header, this.#headerFilled, at, at + count);
    this.#headerFilled += count;
    if (this.#headerFilled === HEADER_BYTES) this.#begin();
    return count;
  }

  #begin(): void {
    const bytes = this.#header.readUInt32LE(FRAME_BYTES);
    const magic = this.#header.readUInt32LE(FRAME_MAGIC);
    this.#headerFilled = 0;
    const inbox =
      magic === SUBREQUEST_MAGIC
        ? this.#unfinished.makeRoom(() => this.#handler.admit(bytes), isOverloaded)
        : ({ code: 'INVALID_FRAME', position: FRAME_MAGIC, value: magic } as const);
    if ('code' in inbox) this.#refuse(inbox, bytes);
    else {
      this.#inbox = inbox;
      inbox.frame.set(this.#header);
      this.#filled = HEADER_BYTES;
      if (bytes === HEADER_BYTES) this.#finish(inbox);
    }
  }

  /** The frame in `#inbox` is not complete, so from now on it may be cut off. */
  #await(inbox: Inbox): void {
    this.#coming = this.#unfinished.begin(() => {
      // Another frame may use its memory from now on.
      this.#inbox = undefined;
      inbox.release();
      this.#socket.destroy();
    });
    this.#coming.progress(this.#filled - HEADER_BYTES);
  }

  /** Skips the rest of the frame if the refusal is temporary. After an invalid frame, the stream cannot continue. */
  #refuse(error: WireError, bytes: number): void {
    const refusal = this.#handler.refuse(this.#identity, error);
    if (error.code === 'OVERLOADED' || error.code === 'UNAVAILABLE') {
      this.#skip = Math.max(0, bytes - HEADER_BYTES);
      this.#writer.write(refusal);
    } else this.#writer.end(refusal, () => this.#socket.destroy());
  }

  #takeBody(inbox: Inbox, chunk: Buffer, at: number): number {
    const count = Math.min(inbox.frame.length - this.#filled, chunk.length - at);
    inbox.frame.set(chunk.subarray(at, at + count), this.#filled);
    this.#filled += count;
    this.#coming?.progress(count);
    if (this.#filled === inbox.frame.length) this.#finish(inbox);
    return count;
  }

  #finish(inbox: Inbox): void {
    this.#inbox = undefined;
    this.#coming?.end();
    this.#coming = undefined;
    this.#progress();
    this.#open.add(inbox);
    if (this.#held === undefined || this.#header.readUInt32LE(SUBREQUEST_REPLY_CREDITS) !== 0)
      inbox.answer((reply) => this.#send(inbox, reply));
    else this.#hold(inbox, this.#held);
  }

  /** The reply may not be sent until a credit grants it. The subrequest is held no longer than a reply that nobody reads. */
  #hold(inbox: Inbox, held: HeldReplies): void {
    const id = this.#header.readUInt32LE(FRAME_ID);
    const identity = this.#identity;
    const leftMs = this.#header.readUInt32LE(SUBREQUEST_TIME_LEFT_US) / 1000 || this.#stuckMs;
    const drop = (code: ErrorCode): void => this.#drop(inbox, identity, { code });
    const isNew = held.begin(id, Math.min(this.#stuckMs, leftMs), {
      send: (reply) => this.#send(inbox, reply),
      drop: () => drop('DEADLINE_EXCEEDED'),
      // It may be tried again if there is time.
      expire: () => drop(leftMs > this.#stuckMs ? 'OVERLOADED' : 'DEADLINE_EXCEEDED'),
    });
    if (!isNew) this.#drop(inbox, identity, { code: 'INVALID_FRAME', position: FRAME_ID, value: id });
    // A credit that has overtaken it may have dropped it.
    else if (this.#open.has(inbox)) inbox.answer((reply) => held.answered(id, reply));
  }

  /** Of the header that has arrived last. */
  get #identity(): FrameIdentity {
    const { buffer, byteOffset, length } = this.#header;
    return answerableIdentity(new Uint32Array(buffer, byteOffset, length >>> 2), 0);
  }

  /** Frees its memory at once. Only an error is sent. */
  #drop(inbox: Inbox, identity: FrameIdentity, error: WireError): void {
    if (!this.#open.delete(inbox)) return;
    inbox.release();
    this.#writer.write(this.#handler.refuse(identity, error), () => this.#left());
    this.#watch();
  }

  /** Takes credits from a connection of their own. Another one before it was lost. @param head bytes that arrived with it */
  takeCredits(socket: Socket, head: Buffer): void {
    this.#credits?.close();
    this.#credits = new CreditReader(socket, (id, verb) => this.#held?.take(id, verb));
    this.#credits.read(head);
  }

  #send(inbox: Inbox, reply: Uint8Array): void {
    this.#writer.write(reply, () => {
      this.#open.delete(inbox);
      inbox.release();
      this.#left();
    });
    this.#watch();
  }

  /** A reply has been sent. */
  #left(): void {
    this.#progress();
    this.#resumeReading();
    this.#endOnceAnswered();
  }

  #resumeReading(): void {
    this.#watch();
    if (!this.#full) this.#socket.resume();
  }

  #endOnceAnswered(): void {
    if (this.#ended && this.#open.size === 0) this.#socket.end();
  }

  /** A frame has completely arrived or left, so the time limit starts again for what is in progress. */
  #progress(): void {
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
  }

  /** Cuts off a peer that takes too long to send a frame or to read its replies. */
  #watch(): void {
    const amid = this.#inbox !== undefined || this.#headerFilled > 0 || this.#skip > 0;
    if (!amid && !this.#writer.busy) this.#progress();
    else if (this.#stuck === undefined) {
      this.#stuck = setTimeout(() => this.#socket.destroy(), this.#stuckMs);
      this.#stuck.unref();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
