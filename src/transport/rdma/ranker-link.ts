import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import { sessionWindow, smallReplyBytesMax, smallSubrequestBytesMax } from '../../limits.ts';
import { FRAME_ID, HEADER_BYTES } from '../../wire/layout.ts';
import { FrameIds } from '../frame-ids.ts';
import type { Exchange, Outgoing, Received, RowRead, Traffic } from '../transport.ts';
import { Connection, readKind, sendKind } from './connection.ts';
import type { Link } from './endpoint.ts';
import type { Engine } from './engine.ts';
import type { ConnectAnswer, ConnectRequest, Slots } from './handshake.ts';
import { RowReads, readRequestsMax, readRoomBytes, readsAtOnce } from './row-reads.ts';

/** This end's memory: what subrequests leave from, from `roomBegin` on where rows come to, from `inBegin` on replies. */
const roomBegin: number = sessionWindow * smallSubrequestBytesMax;
const inBegin: number = roomBegin + readsAtOnce * readRoomBytes;

/** One subrequest under way. */
interface Waiting {
  readonly id: number;
  readonly outgoing: Outgoing;
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: Error) => void;
  /** Nobody waits for it any more; called once it has ended all the same. */
  onLate: (() => void) | undefined;
  /** It was asked again by another way. */
  instead: Exchange | undefined;
}

/** A ranker's end of one connection: slots that subrequests leave from, and slots that the node alone writes replies to. */
export class RankerLink implements Link {
  /** Entries of its send queue. */
  static readonly sendsMax: number = 512;
  /** Memory that a connection registers. */
  static readonly memoryBytes: number = inBegin + sessionWindow * smallReplyBytesMax;
  readonly #engine: Engine;
  /** First what subrequests leave from and rows come to, which nobody else may touch; then where replies come to. */
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
   * Memory and a queue pair that is not connected yet. @param again asks by another way @param onLost the connection has
   * ended, and all it had under way was asked again @throws OUT_OF_MEMORY, and what the device refuses
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
      waiting: sessionWindow + readRequestsMax,
      receives: sessionWindow,
    });
    const [outgoing, incoming] = [this.#memory.subarray(0, inBegin), this.#memory.subarray(inBegin)];
    this.#out = this.#connection.register(outgoing, localWrite);
    this.#outAddress = Number(this.#out.address);
    this.#in = this.#connection.register(incoming, localWrite | remoteWrite);
  }

  /** What to ask a node for. */
  get request(): ConnectRequest {
    const replies = {
      address: Number(this.#in.address),
      rkey: this.#in.rkey,
      count: sessionWindow,
      bytes: smallReplyBytesMax,
    };
    return { version: 1, ...this.#connection.own, replies, requestBytes: smallSubrequestBytesMax };
  }

  /** What the node said. @param plan whose rows may be read @throws IbverbsError */
  connect(answer: ConnectAnswer, plan: bigint | undefined): void {
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
    this.#reads = new RowReads(tools, answer.shards, plan);
  }

  /** @returns undefined where it does not fit, or there is no slot for it now */
  send(outgoing: Outgoing): Exchange | undefined {
    const { bytes, replyBytes, reads } = outgoing;
    if (reads !== undefined) {
      const read = this.#read(outgoing, reads);
      if (read !== undefined) return read;
    }
    const requests = this.#requests;
    if (this.#closed || requests === undefined || bytes > requests.bytes || replyBytes > smallReplyBytesMax)
      return undefined;
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    const id = this.#ids.next();
    const at = (slot * smallSubrequestBytesMax) >>> 2;
    // The card's own checksums find bits that change on the way.
    outgoing.write(this.#words, at, id, false);
    this.#post(slot, bytes, requests);
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const waiting: Waiting = { id, outgoing, resolve, reject, onLate: undefined, instead: undefined };
    this.#waiting[slot] = waiting;
    return { reply: promise, cancel: () => this.#cancel(waiting, this.#waiting[slot] === waiting) };
  }

  /** Rows by READs; undefined where they cannot be had so. */
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

  /** What this turn sends goes out together. */
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

  /** A reply of `bytes` bytes has come to a slot. */
  #arrived(slot: number, bytes: number): void {
    const waiting = this.#waiting[slot];
    const begin = inBegin + slot * smallReplyBytesMax;
    if (
      waiting === undefined ||
      bytes > smallReplyBytesMax ||
      this.#words[(begin + FRAME_ID) >>> 2] !== waiting.id
    ) {
      // A node that breaks the rules.
      this.close();
      return;
    }
    this.#bytesIn += bytes;
    this.#waiting[slot] = undefined;
    if (waiting.onLate) waiting.onLate();
    else {
      // Lookups may keep their vectors for as long as they like; slots are few.
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
    waiting.reject(new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more'));
    return promise;
  }

  get traffic(): Traffic {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  /** Ends the connection, and asks what it had under way by another way: lookups change nothing. */
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
