import type * as Verbs from 'ibverbs-node';
import { sessionWindow, smallReplyBytesMax, smallSubrequestBytesMax } from '../../limits.ts';
import { FRAME_ID, HEADER_BYTES } from '../../wire/layout.ts';
import { FrameIds } from '../frame-ids.ts';
import type { Exchange, Outgoing, Received, RowRead, Traffic } from '../transport.ts';
import { unwanted } from '../transport.ts';
import { Connection, readKind, sendKind } from './connection.ts';
import type { Link } from './endpoint.ts';
import type { Engine } from './engine.ts';
import {
  type ConnectAnswer,
  type ConnectRequest,
  knownFrom,
  type ReadableRows,
  type Slots,
} from './handshake.ts';
import { RowReads, readRequestsMax, readRoomBytes, readsAtOnce } from './row-reads.ts';

/**
 * Layout of this end's memory: slots for subrequests come first. The buffers for rows begin at `roomBegin`, and the
 * slots for replies begin at `inBegin`.
 */
const roomBegin: number = sessionWindow * smallSubrequestBytesMax;
const inBegin: number = roomBegin + readsAtOnce * readRoomBytes;

/** One subrequest in flight. */
interface Waiting {
  readonly id: number;
  readonly outgoing: Outgoing;
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: Error) => void;
  /** Set if nobody waits for the subrequest any more. It is called once the subrequest has ended anyway. */
  onLate: (() => void) | undefined;
  /** Set if the subrequest was sent again by `again`. */
  instead: Exchange | undefined;
}

/**
 * A ranker's end of one connection. It has slots that subrequests are sent from, and slots for replies, which only the
 * node may write to.
 */
export class RankerLink implements Link {
  /** Capacity of its send queue. */
  static readonly sendsMax: number = 512;
  /** Bytes of memory that a connection registers. */
  static readonly memoryBytes: number = inBegin + sessionWindow * smallReplyBytesMax;
  readonly #engine: Engine;
  /** First the memory for subrequests and rows, which nobody else may access. Then the memory for replies. */
  readonly #memory: Uint8Array;
  readonly #words: Uint32Array;
  readonly #out: Verbs.MemoryRegion;
  readonly #outAddress: number;
  readonly #in: Verbs.MemoryRegion;
  readonly #connection: Connection;
  readonly #waiting: (Waiting | undefined)[] = new Array(sessionWindow).fill(undefined);
  readonly #free: number[] = Array.from({ length: sessionWindow }, (_, i) => sessionWindow - 1 - i);
  readonly #again: (outgoing: Outgoing) => Exchange;
  readonly #onLost: () => void;
  #requests: Slots | undefined;
  #reads: RowReads | undefined;
  readonly #reading = new Set<Waiting>();
  readonly #ids = new FrameIds();
  #flushing = false;
  #closed = false;
  #bytesOut = 0;
  #bytesIn = 0;

  /**
   * Allocates memory and a queue pair, which is not connected yet.
   * @param again sends a subrequest by another transport
   * @param onLost the connection has ended; its subrequests in flight are sent again by `again`
   * @throws OUT_OF_MEMORY, and errors of the device
   */
  constructor(engine: Engine, again: (outgoing: Outgoing) => Exchange, onLost: () => void) {
    const { endpoint } = engine;
    const { localWrite, remoteWrite } = endpoint.verbs.access;
    this.#engine = engine;
    this.#again = again;
    this.#onLost = onLost;
    this.#memory = new Uint8Array(new SharedArrayBuffer(RankerLink.memoryBytes));
    this.#words = new Uint32Array(this.#memory.buffer);
    this.#connection = new Connection(endpoint, this, {
      sends: RankerLink.sendsMax,
      // And one confirmation.
      waiting: sessionWindow + readRequestsMax + 1,
      receives: sessionWindow,
    });
    const [outgoing, incoming] = [this.#memory.subarray(0, inBegin), this.#memory.subarray(inBegin)];
    this.#out = this.#connection.register(outgoing, localWrite);
    this.#outAddress = Number(this.#out.address);
    this.#in = this.#connection.register(incoming, localWrite | remoteWrite);
  }

  /** The request that asks a node to connect. */
  get request(): ConnectRequest {
    const replies = {
      address: Number(this.#in.address),
      rkey: this.#in.rkey,
      count: sessionWindow,
      bytes: smallReplyBytesMax,
    };
    return { version: 1, ...this.#connection.own, replies, requestBytes: smallSubrequestBytesMax };
  }

  /** Connects. @param plan fingerprint of the routing table whose rows may be read @throws IbverbsError */
  connect(answer: ConnectAnswer, plan: string | undefined): void {
    const { endpoint, replies } = this.#engine;
    const { verbs } = endpoint;
    this.#connection.connect(answer, verbs.access.localWrite | verbs.access.remoteWrite);
    this.#requests = answer.requests;
    const room = this.#memory.subarray(roomBegin, inBegin);
    const ids = { idHigh: this.#connection.number, idLow: readKind };
    const tools = {
      verbs,
      replies,
      batch: this.#connection.sends,
      room,
      address: this.#outAddress + roomBegin,
      lkey: this.#out.lkey,
      ...ids,
    };
    const listed = plan === undefined ? [] : [{ plan, shards: answer.shards }];
    this.#reads = new RowReads(tools, listed);
  }

  /** From now on, these rows may be read, and no others. Tells the node when no other ones are read any more. */
  offer({ number, releases }: ReadableRows): void {
    const [reads, requests] = [this.#reads, this.#requests];
    if (this.#closed || reads === undefined || requests === undefined) return;
    reads.replace(releases, () => {
      this.#connection.notify(requests, knownFrom + number, this.#out.lkey);
      this.#flushSoon();
    });
  }

  /** Whether a subrequest and its reply have slots here. Rows that are read have none. */
  takes({ bytes, replyBytesMax, reads }: Outgoing): boolean {
    const fits = bytes <= (this.#requests?.bytes ?? 0) && replyBytesMax <= smallReplyBytesMax;
    return !this.#closed && reads === undefined && fits && this.#free.length > 0;
  }

  /** @returns undefined if it cannot be sent here: it does not fit, no slot is free, or there is no connection */
  send(outgoing: Outgoing): Exchange | undefined {
    const { bytes, replyBytesMax, reads } = outgoing;
    if (reads !== undefined) {
      const read = this.#read(outgoing, reads);
      if (read !== undefined) return read;
    }
    const requests = this.#requests;
    if (
      this.#closed ||
      requests === undefined ||
      bytes > requests.bytes ||
      replyBytesMax > smallReplyBytesMax
    )
      return undefined;
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    const id = this.#ids.next(outgoing);
    const at = (slot * smallSubrequestBytesMax) >>> 2;
    // The frame needs no checksum: the card's own checksums detect bits that change on the way.
    outgoing.write(this.#words, at, id, false);
    this.#post(slot, bytes, requests);
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const waiting: Waiting = { id, outgoing, resolve, reject, onLate: undefined, instead: undefined };
    this.#waiting[slot] = waiting;
    return { reply: promise, cancel: () => this.#cancel(waiting, this.#waiting[slot] === waiting) };
  }

  /** Fetches rows by READs. Returns undefined if that is not possible now. */
  #read(outgoing: Outgoing, reads: readonly RowRead[]): Exchange | undefined {
    if (this.#closed || this.#reads === undefined) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const waiting: Waiting = { id: 0, outgoing, resolve, reject, onLate: undefined, instead: undefined };
    const started = this.#reads.start(reads, outgoing.replyBytes, 0, (reply) => {
      this.#reading.delete(waiting);
      this.#bytesIn += reply.bytes.length - HEADER_BYTES;
      if (waiting.onLate === undefined) resolve(reply);
      else {
        reply.release();
        waiting.onLate();
      }
    });
    if (!started) return undefined;
    this.#reading.add(waiting);
    this.#flushSoon();
    return { reply: promise, cancel: () => this.#cancel(waiting, this.#reading.has(waiting)) };
  }

  #post(slot: number, bytes: number, requests: Slots): void {
    this.#bytesOut += bytes;
    const local = this.#outAddress + slot * smallSubrequestBytesMax;
    this.#connection.write(requests, slot, local, bytes, this.#out.lkey);
    this.#flushSoon();
  }

  /** Posts all that is sent in this turn of the event loop together. */
  #flushSoon(): void {
    if (this.#flushing || this.#engine.endpoint.loop.passing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  /** Posts what is ready. */
  flush(): void {
    if (this.#closed) return;
    try {
      this.#connection.flush();
    } catch {
      this.close();
      return;
    }
    this.#engine.endpoint.loop.wake();
  }

  complete(completions: Uint32Array, at: number): void {
    if (this.#closed) return;
    if (completions[at + 2] !== 0) this.close();
    else if (completions[at] === sendKind) this.#connection.sends.completed();
    else if (completions[at] >= readKind) {
      this.#connection.sends.completed();
      this.#reads?.complete(completions[at] - readKind);
    } else this.#arrived(completions[at + 5], completions[at + 4]);
  }

  /** A reply of `bytes` bytes has arrived in a slot. */
  #arrived(slot: number, bytes: number): void {
    const waiting = this.#waiting[slot];
    const begin = inBegin + slot * smallReplyBytesMax;
    if (
      waiting === undefined ||
      bytes > smallReplyBytesMax ||
      this.#words[(begin + FRAME_ID) >>> 2] !== waiting.id
    ) {
      // The node breaks the protocol.
      this.close();
      return;
    }
    this.#bytesIn += bytes;
    this.#waiting[slot] = undefined;
    if (waiting.onLate) waiting.onLate();
    else {
      // Copies the reply, because a lookup may keep its vectors for any length of time, and there are few slots.
      const reply = this.#engine.replies.take(bytes);
      reply.bytes.set(this.#memory.subarray(begin, begin + bytes));
      waiting.resolve(reply);
    }
    this.#free.push(slot);
    this.#connection.received();
  }

  #cancel(waiting: Waiting, underWay: boolean): Promise<void> {
    if (waiting.instead) return waiting.instead.cancel();
    if (!underWay) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.onLate = resolve;
    waiting.reject(unwanted());
    return promise;
  }

  get traffic(): Traffic {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  /**
   * Ends the connection, and sends its subrequests in flight by another transport. Sending them twice is safe, because
   * lookups change nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#onLost();
    this.#reads?.close();
    for (const waiting of [...this.#waiting, ...this.#reading]) {
      if (waiting?.onLate) waiting.onLate();
      else if (waiting) {
        waiting.instead = this.#again(waiting.outgoing);
        waiting.instead.reply.then(waiting.resolve, waiting.reject);
      }
    }
    this.#waiting.fill(undefined);
  }
}
