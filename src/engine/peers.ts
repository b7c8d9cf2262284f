// Subrequests that one engine sends over a connection of another, through shared memory.
import { FlexemrError } from '../errors.ts';
import { errorOf, type Failure, failureOf } from '../failure.ts';
import type { BufferPool } from '../store/buffer-pool.ts';
import type { Exchange, Outgoing, Received, Session } from '../transport/transport.ts';
import { isTls, unwanted } from '../transport/transport.ts';
import type { Bell } from './bell.ts';
import { Borrowed } from './borrowed.ts';
import type { PeerMemory } from './peer-memory.ts';
import type { Ring, TakeRecord } from './ring.ts';

/** Kinds of records between engines. */
const askRecord = 1;
const cancelRecord = 2;
const replyRecord = 3;
const failedRecord = 4;
/** A cancelled subrequest is not in flight any more. */
const goneRecord = 5;
/** The owner of a connection has not heard of its worker yet. */
const unknownRecord = 6;

/** Words before a frame: the number of its connection, and the expected and the longest length of its reply. */
const headWords = 3;
const utf8 = new TextEncoder();

/** A connection of another engine. */
export interface OwnedConnection {
  readonly owner: number;
  readonly connection: number;
  readonly url: string;
}

/** A subrequest that another engine has. */
interface Asked {
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: unknown) => void;
  onGone: (() => void) | undefined;
  /** Sends it over a connection of this engine. */
  readonly sendAlone: () => Exchange;
  /** Once it has been sent so. */
  alone: Exchange | undefined;
}

/** Finds the own session for a connection. Undefined: this engine does not know it. */
export type SessionOf = (connection: number) => Pick<Session, 'send'> | undefined;

/** The other end of the rings between this engine and another one. */
class Peer {
  readonly bell: Bell;
  readonly to: Ring;
  readonly from: Ring;
  /** Its memory, and what records of this engine refer to. */
  readonly memory: Uint8Array;
  readonly lent: Borrowed;
  readonly served = new Map<number, Exchange>();
  /** Takes a record that it has given. */
  take: TakeRecord = () => {};

  constructor(
    own: PeerMemory,
    other: PeerMemory,
    places: { readonly own: number; readonly other: number },
    bell: Bell,
  ) {
    this.bell = bell;
    this.to = other.ringFrom(places.own);
    this.from = own.ringFrom(places.other);
    this.memory = other.bytes;
    this.lent = new Borrowed(own.slotsFor(places.other), this.to);
  }
}

/** The other engines of a ranker, for one of them. */
export class Peers {
  readonly #place: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #peers: readonly (Peer | undefined)[];
  readonly #sessionOf: SessionOf;
  readonly #replies: BufferPool;
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  /** @param all memories and bells of all engines @param replies memory for replies */
  constructor(
    place: number,
    { memories, bells }: { readonly memories: readonly PeerMemory[]; readonly bells: readonly Bell[] },
    sessionOf: SessionOf,
    replies: BufferPool,
  ) {
    const own = memories[place];
    this.#place = place;
    this.#bytes = own.bytes;
    this.#words = own.words;
    this.#sessionOf = sessionOf;
    this.#replies = replies;
    this.#peers = memories.map((other, i) => {
      if (i === place) return undefined;
      const peer = new Peer(own, other, { own: place, other: i }, bells[i]);
      peer.take = (kind, id, address, bytes) => this.#take(peer, kind, id >>> 0, address, bytes);
      return peer;
    });
  }

  /**
   * Sends a subrequest over a connection of another engine.
   * @param sendAlone sends it over a connection of this engine, if the other one does not know the worker
   * @returns undefined if there is no memory for it now
   */
  ask(
    { owner, connection, url }: OwnedConnection,
    outgoing: Outgoing,
    sendAlone: () => Exchange,
  ): Exchange | undefined {
    const peer = this.#peers[owner];
    if (peer === undefined) return undefined;
    const bytes = headWords * 4 + outgoing.bytes;
    const address = peer.lent.allocate(bytes);
    if (address === undefined) return undefined;
    const id = this.#nextId();
    const at = address >>> 2;
    this.#words[at] = connection;
    this.#words[at + 1] = outgoing.replyBytes;
    this.#words[at + 2] = outgoing.replyBytesMax;
    outgoing.write(this.#words, at + headWords, id, !isTls(url));
    if (!this.#give(peer, askRecord, id, address, bytes)) {
      peer.lent.giveBack(address, bytes);
      return undefined;
    }
    const { promise: reply, resolve, reject } = Promise.withResolvers<Received>();
    const asked: Asked = { resolve, reject, onGone: undefined, sendAlone, alone: undefined };
    this.#asked.set(id, asked);
    return { reply, cancel: () => this.#cancel(peer, id, asked) };
  }

  /** Ids that no connection gives: the highest bit, the place of this engine, and a counter. */
  #nextId(): number {
    this.#last = (this.#last + 1) & 0xffffff;
    return (0x80000000 | (this.#place << 24) | this.#last) >>> 0;
  }

  /** @returns false if the ring is full */
  #give(peer: Peer, kind: number, id: number, address = 0, bytes = 0): boolean {
    if (!peer.to.give(kind, id, address, bytes)) return false;
    if (bytes > 0) peer.lent.lend(address, bytes);
    peer.bell.ringSoon();
    return true;
  }

  #cancel(peer: Peer, id: number, asked: Asked): Promise<void> {
    if (asked.alone !== undefined) return asked.alone.cancel();
    if (this.#asked.get(id) !== asked) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    asked.onGone = resolve;
    asked.reject(unwanted());
    // If the ring is full, the other engine answers as usual.
    this.#give(peer, cancelRecord, id);
    return promise;
  }

  /** Whether another engine has said something. */
  get isEmpty(): boolean {
    return this.#peers.every((peer) => peer === undefined || peer.from.isEmpty);
  }

  /** Takes what the other engines have said. @returns whether they have */
  takeAll(): boolean {
    let any = false;
    for (const peer of this.#peers) {
      if (peer !== undefined) any = peer.from.takeAll(peer.take) || any;
    }
    return any;
  }

  #take(peer: Peer, kind: number, id: number, address: number, bytes: number): void {
    if (kind === askRecord) this.#serve(peer, id, address, bytes);
    else if (kind === cancelRecord) this.#drop(peer, id);
    else this.#answered(peer, kind, id, address, bytes);
  }

  #answered(peer: Peer, kind: number, id: number, address: number, bytes: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    if (asked.onGone !== undefined) asked.onGone();
    else if (kind === unknownRecord) {
      asked.alone = asked.sendAlone();
      asked.alone.reply.then(asked.resolve, asked.reject);
    } else if (kind === goneRecord) asked.reject(unsent());
    else if (kind === replyRecord) {
      const reply = this.#replies.take(bytes);
      reply.bytes.set(peer.memory.subarray(address, address + bytes));
      asked.resolve(reply);
    } else {
      const text = new TextDecoder().decode(peer.memory.slice(address, address + bytes));
      asked.reject(errorOf(JSON.parse(text) as Failure));
    }
  }

  /** Sends a subrequest of another engine. Its memory may be used again after this call, so the frame is copied. */
  #serve(peer: Peer, id: number, address: number, bytes: number): void {
    const words = new Uint32Array(peer.memory.slice(address, address + bytes).buffer);
    const [connection, replyBytes, replyBytesMax] = words;
    const session = this.#sessionOf(connection);
    if (session === undefined) {
      this.#sure(peer, unknownRecord, id);
      return;
    }
    const frame = words.subarray(headWords);
    const write = (to: Uint32Array, at: number): void => to.set(frame, at);
    const exchange = session.send({ bytes: frame.byteLength, replyBytes, replyBytesMax, id, write });
    peer.served.set(id, exchange);
    exchange.reply.then(
      (reply) => {
        if (peer.served.delete(id)) this.#reply(peer, id, reply);
        else reply.release();
      },
      (error: unknown) => {
        if (peer.served.delete(id)) this.#fail(peer, id, error);
      },
    );
  }

  #reply(peer: Peer, id: number, reply: Received): void {
    const { length } = reply.bytes;
    const address = peer.lent.allocate(length);
    // The other engine gives memory back with every reply that it takes.
    if (address === undefined) {
      setImmediate(() => this.#reply(peer, id, reply));
      return;
    }
    this.#bytes.set(reply.bytes, address);
    reply.release();
    this.#sure(peer, replyRecord, id, address, length);
  }

  #fail(peer: Peer, id: number, error: unknown): void {
    const text = utf8.encode(JSON.stringify({ ...failureOf(error), value: undefined }));
    const address = peer.lent.allocate(text.length);
    if (address === undefined) this.#sure(peer, goneRecord, id);
    else {
      this.#bytes.set(text, address);
      this.#sure(peer, failedRecord, id, address, text.length);
    }
  }

  #drop(peer: Peer, id: number): void {
    const exchange = peer.served.get(id);
    if (!peer.served.delete(id)) return;
    void exchange?.cancel().then(() => this.#sure(peer, goneRecord, id));
  }

  /** Says how a subrequest has ended, which must not be lost: there is a record for each. */
  #sure(peer: Peer, kind: number, id: number, address = 0, bytes = 0): void {
    if (this.#give(peer, kind, id, address, bytes)) return;
    setImmediate(() => this.#sure(peer, kind, id, address, bytes));
  }
}

/** The error if another engine cannot say why it could not send what it was asked to. */
function unsent(): FlexemrError {
  const message = 'the engine that owns the connection could not send the subrequest';
  return new FlexemrError('UNAVAILABLE', message, { field: 'engines' });
}
