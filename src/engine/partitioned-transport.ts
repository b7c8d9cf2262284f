import { partedBytesShare } from '../engine-limits.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import type { Exchange, Outgoing, ReplyBound, Session, Traffic, Transport } from '../transport/transport.ts';
import type { Bell } from './bell.ts';
import type { ConnectionTable } from './connection-table.ts';
import { GatedSession } from './gated-session.ts';
import type { PeerMemory } from './peer-memory.ts';
import { Peers } from './peers.ts';

/** Where an engine is among the engines of a ranker. */
export interface Partition {
  readonly place: number;
  readonly table: ConnectionTable;
  readonly memories: readonly PeerMemory[];
  /** Of each memory, for what one engine sends to another. */
  readonly peerBytes: number;
  /** Bells of all engines. */
  readonly bells: readonly Bell[];
}

/** A transport whose connections are partitioned over engines. Each has some, and sends over the others through their owners. */
export class PartitionedTransport implements Transport {
  readonly name: string;
  readonly #transport: Transport;
  readonly #partition: Partition;
  readonly #sessions = new Map<number, PartitionedSession>();
  /** Connections that each engine has for itself. */
  readonly #unshared = new Map<number, Session>();
  readonly peers: Peers;

  constructor(transport: Transport, partition: Partition) {
    const { place, memories, bells } = partition;
    this.name = transport.name;
    this.#transport = transport;
    this.#partition = partition;
    // Another engine may ask for a connection that it has for itself, in the moment in which the table does not say so yet.
    const sessionOf = (connection: number): Pick<Session, 'send'> | undefined =>
      this.#sessions.get(connection)?.own ?? this.#unshared.get(connection);
    this.peers = new Peers(place, { memories, bells }, sessionOf, new BufferPool());
  }

  session(url: string): Session {
    const number = this.#partition.table.numberOf(url);
    // There are more connections than the engines share out: each has one of its own to the rest.
    if (number === undefined) return this.#transport.session(url);
    if (this.#partition.table.owner(number) === undefined) {
      const unshared = this.#transport.session(url);
      this.#unshared.set(number, unshared);
      return unshared;
    }
    // Another engine may still ask for what this one does not need any more. It is told that it must do so alone.
    const onClose = (): void => {
      if (this.#sessions.get(number) === session) this.#sessions.delete(number);
    };
    const reached = { url, number, onClose };
    const session = new PartitionedSession(reached, this.#transport, this.#partition, this.peers);
    this.#sessions.set(number, session);
    return session;
  }

  /** Connects before this engine becomes the owner of a connection. */
  async prepare(number: number): Promise<void> {
    await this.#sessions.get(number)?.own.connect();
  }

  /** Another engine owns a connection. This one keeps its own until what it has is answered. */
  leave(number: number): void {
    this.#sessions.get(number)?.leave();
  }

  describe(url: string): ReturnType<Transport['describe']> {
    return this.#transport.describe(url);
  }

  traffic(): Traffic {
    return this.#transport.traffic();
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}

interface Reached {
  readonly url: string;
  /** Of its connection. */
  readonly number: number;
  readonly onClose: () => void;
}

/** The connection to one worker, for one engine. */
class PartitionedSession implements Session {
  readonly #url: string;
  readonly #number: number;
  readonly #onClose: () => void;
  readonly #transport: Transport;
  readonly #partition: Partition;
  readonly #peers: Peers;
  readonly #bytesMax: number;
  #own: GatedSession | undefined;
  #closed = false;

  constructor({ url, number, onClose }: Reached, transport: Transport, partition: Partition, peers: Peers) {
    this.#url = url;
    this.#number = number;
    this.#onClose = onClose;
    this.#transport = transport;
    this.#partition = partition;
    this.#peers = peers;
    this.#bytesMax = partition.peerBytes * partedBytesShare;
  }

  get #owner(): number {
    const { table, place } = this.#partition;
    return table.owner(this.#number) ?? place;
  }

  get #isOwner(): boolean {
    return this.#owner === this.#partition.place;
  }

  /** The connection of this engine. It is kept as long as something is in flight, or this engine is the owner. */
  get own(): GatedSession {
    this.#own ??= new GatedSession(
      this.#number,
      this.#partition.table,
      this.#transport.session(this.#url),
      () => this.#closeUnowned(),
    );
    return this.#own;
  }

  leave(): void {
    if (this.#own?.isIdle) this.#closeUnowned();
  }

  #closeUnowned(): void {
    if (this.#isOwner && !this.#closed) return;
    const own = this.#own;
    this.#own = undefined;
    void own?.close();
  }

  get readsRows(): boolean {
    return this.#isOwner && this.own.readsRows;
  }

  replyBound(outgoing: Outgoing): ReplyBound {
    return this.#isOwner ? this.own.replyBound(outgoing) : 'reserve';
  }

  send(outgoing: Outgoing, held = false): Exchange {
    const owner = this.#owner;
    const isSmall = outgoing.bytes + outgoing.replyBytes <= this.#bytesMax;
    const asked =
      owner === this.#partition.place || !isSmall
        ? undefined
        : this.#peers.ask({ owner, connection: this.#number, url: this.#url }, outgoing, () =>
            this.own.send(outgoing),
          );
    return asked ?? this.own.send(outgoing, held);
  }

  /** What other engines have asked for is answered before. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#onClose();
    this.leave();
  }
}
