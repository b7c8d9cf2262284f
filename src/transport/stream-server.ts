import type { Socket } from 'node:net';
import { sessionWindow, togetherBytesMax } from '../limits.ts';
import { answerableIdentity } from '../wire/frame-identity.ts';
import { type Handler, type Inbox, isOverloaded } from '../wire/handler.ts';
import { FRAME_BYTES, FRAME_MAGIC, HEADER_BYTES, SUBREQUEST_MAGIC } from '../wire/layout.ts';
import type { WireError } from '../wire/reply.ts';
import type { LookupRoom } from './http-lookup.ts';
import type { PortCounts } from './port-stats.ts';
import { ReplyWriter } from './reply-writer.ts';
import type { Unfinished, UnfinishedRequests } from './unfinished.ts';

type StreamRoom = Pick<LookupRoom, 'handler' | 'unfinished' | 'counts'>;

/** Serves framed streams with one handler. Replies are sent as they become ready, from the memory of their pooling. */
export class StreamServer {
  readonly #room: StreamRoom;
  readonly #stuckMs: number;
  readonly #connections = new Set<Connection>();

  /** @param stuckMs how long a peer may take for a frame or a reply before it is cut off */
  constructor(room: StreamRoom, stuckMs: number) {
    this.#room = room;
    this.#stuckMs = stuckMs;
  }

  /** Serves a connection that was upgraded. @param head bytes that arrived with the Upgrade */
  serve(socket: Socket, head: Buffer): void {
    const connection = new Connection(socket, this.#room, this.#stuckMs);
    this.#connections.add(connection);
    socket.on('close', () => this.#connections.delete(connection));
    if (head.length > 0) connection.take(head);
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

class Connection {
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

  constructor(socket: Socket, { handler, unfinished, counts }: StreamRoom, stuckMs: number) {
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
      this.#endOnceAnswered();
    });
    socket.on('close', () => {
      clearTimeout(this.#stuck);
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
    if (isTaken && !this.#full) return;
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
    const { buffer, byteOffset, length } = this.#header;
    const identity = answerableIdentity(new Uint32Array(buffer, byteOffset, length >>> 2), 0);
    const refusal = this.#handler.refuse(identity, error);
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
    inbox.answer((reply) => this.#send(inbox, reply));
  }

  #send(inbox: Inbox, reply: Uint8Array): void {
    this.#writer.write(reply, () => {
      this.#open.delete(inbox);
      inbox.release();
      this.#progress();
      this.#resumeReading();
      this.#endOnceAnswered();
    });
    this.#watch();
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
