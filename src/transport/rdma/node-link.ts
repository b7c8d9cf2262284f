import type * as Verbs from 'ibverbs-node';
import type { DirectHandler, LentSlots } from '../../wire/direct.ts';
import { answerableIdentity, type FrameIdentity } from '../../wire/frame-identity.ts';
import type { Inbox } from '../../wire/handler.ts';
import type { PortCounts } from '../port-stats.ts';
import { Connection, sendKind } from './connection.ts';
import type { Endpoint, Link } from './endpoint.ts';
import { type ConnectRequest, knownFrom, type Peer, type Slots } from './handshake.ts';
import { KnownRows } from './known-rows.ts';

/** Memory for one error reply per slot, because error replies are created outside of the registered memory. */
const errorBytes = 64;

/** What a link works with. */
export interface LinkRoom {
  readonly handler: DirectHandler;
  readonly endpoint: Endpoint;
  /** The registered memory that replies are sent from. */
  readonly slots: Verbs.MemoryRegion;
  /** Memory that this ranker's subrequests arrive in. Only this ranker uses it, until the link closes. */
  readonly lent: LentSlots;
  readonly counts: PortCounts;
}

/**
 * A node's end of one connection. Subrequests arrive in slots that only this ranker may write to. Replies are written
 * to slots of the ranker.
 */
export class NodeLink implements Link {
  readonly requests: Slots;
  /** The rows that the ranker may read. */
  readonly rows: KnownRows = new KnownRows(() => this.close());
  readonly #room: LinkRoom;
  readonly #replies: Slots;
  readonly #region: Verbs.MemoryRegion;
  readonly #connection: Connection;
  /** The subrequest in each slot, until its reply is sent. Then it moves to `#leaving`, which is in sending order. */
  readonly #open: (Inbox | undefined)[];
  readonly #leaving: (Inbox | undefined)[] = [];
  readonly #onEnd: () => void;
  /** Added to an address in the kernels' memory, this gives the address that the card uses. */
  readonly #toCard: number;
  #closed = false;

  /** Bytes of memory that a link with `count` slots needs. */
  static roomBytes(count: number, requestBytes: number): number {
    return count * (requestBytes + errorBytes);
  }

  /** @throws OUT_OF_MEMORY, and errors of the device */
  constructor(room: LinkRoom, request: ConnectRequest, onEnd: () => void) {
    const { endpoint, handler, lent, slots } = room;
    const { count } = request.replies;
    const { localWrite, remoteWrite, remoteRead } = endpoint.verbs.access;
    this.#room = room;
    this.#replies = request.replies;
    this.#onEnd = onEnd;
    this.#open = new Array(count).fill(undefined);
    this.#toCard = Number(slots.address) - handler.slots.byteOffset;
    // A confirmation may arrive beside a frame in each slot.
    const depths = { sends: 2 * count, waiting: count, receives: count + 1 };
    this.#connection = new Connection(endpoint, this, depths);
    this.#region = this.#connection.register(lent.bytes, localWrite | remoteWrite);
    this.#connection.connect(request, localWrite | remoteWrite | remoteRead);
    this.requests = {
      address: Number(this.#region.address),
      rkey: this.#region.rkey,
      count,
      bytes: request.requestBytes,
    };
  }

  /** What the ranker needs to know about this end. */
  get own(): Peer {
    return this.#connection.own;
  }

  complete(completions: Uint32Array, at: number): void {
    if (this.#closed) return;
    if (completions[at + 2] !== 0) this.close();
    else if (completions[at] === sendKind) this.#sent();
    else this.#arrived(completions[at + 5], completions[at + 4]);
  }

  /** A subrequest of `bytes` bytes has arrived in a slot, or a confirmation. */
  #arrived(slot: number, bytes: number): void {
    this.#connection.received();
    if (slot >= knownFrom && this.rows.confirm(slot - knownFrom)) return;
    this.#room.counts.bytesReceived += bytes;
    // The ranker breaks the protocol: the slot does not exist, is too small, or already holds a subrequest.
    if (slot >= this.requests.count || bytes > this.requests.bytes || this.#open[slot] !== undefined) {
      this.close();
      return;
    }
    const address = this.#room.lent.bytes.byteOffset + slot * this.requests.bytes;
    const inbox = this.#room.handler.admitAt(address, bytes);
    if ('code' in inbox) this.#sendError(slot, this.#room.handler.refuse(this.#identityOf(address), inbox));
    else {
      this.#open[slot] = inbox;
      inbox.answer((reply) => this.#reply(slot, reply));
    }
  }

  #identityOf(address: number): FrameIdentity {
    return answerableIdentity(new Uint32Array(this.#room.lent.bytes.buffer), address >>> 2);
  }

  #reply(slot: number, reply: Uint8Array): void {
    if (this.#closed) return;
    const { buffer } = this.#room.lent.bytes;
    if (reply.length > this.#replies.bytes) this.#tooLong(slot, reply);
    else if (reply.buffer === buffer) this.#send(slot, reply.byteOffset + this.#toCard, reply.length);
    else this.#sendError(slot, reply);
  }

  /** The reply does not fit a slot of the ranker. Replies with an error instead. */
  #tooLong(slot: number, reply: Uint8Array): void {
    const identity = answerableIdentity(new Uint32Array(reply.buffer, reply.byteOffset), 0);
    const error = { code: 'LIMIT_EXCEEDED', position: reply.length, value: this.#replies.bytes } as const;
    this.#sendError(slot, this.#room.handler.refuse(identity, error));
  }

  /** Errors are created elsewhere. They are copied to the registered memory that their slot has for them. */
  #sendError(slot: number, reply: Uint8Array): void {
    const at = this.requests.count * this.requests.bytes + slot * errorBytes;
    this.#room.lent.bytes.set(reply, at);
    this.#send(slot, this.requests.address + at, reply.length, this.#region.lkey);
  }

  #send(slot: number, local: number, bytes: number, lkey: number = this.#room.slots.lkey): void {
    this.#connection.write(this.#replies, slot, local, bytes, lkey);
    this.#room.counts.bytesSent += bytes;
    // The ranker may use the slot again before the completion of this send arrives.
    this.#leaving.push(this.#open[slot]);
    this.#open[slot] = undefined;
    // During a pass over completions, replies are gathered. They are posted together at its end.
    if (!this.#room.endpoint.loop.passing) this.flush();
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
    this.#room.endpoint.loop.wake();
  }

  #sent(): void {
    this.#connection.sends.completed();
    this.#leaving.shift()?.release();
  }

  /** Revokes the ranker's access, and releases its subrequests. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // From here on, the card does not access the memory.
    this.#connection.close();
    for (const inbox of [...this.#open, ...this.#leaving]) inbox?.release();
    this.#open.fill(undefined);
    this.#leaving.length = 0;
    this.#room.lent.release();
    this.rows.close();
    this.#onEnd();
  }
}
