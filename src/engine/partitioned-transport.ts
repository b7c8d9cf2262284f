import { partedBytesShare } from '../engine-limits.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import type { Exchange, Outgoing, ReplyBound, Session, Traffic, Transport } from '../transport/transport.ts';
import type { Bell } from './bell.ts';
import type { ConnectionTable } from './connection-table.ts';
import { GatedSession } from './gated-session.ts';
import { PeerMemory } from './peer-memory.ts';
import { Peers } from './peers.ts';

/** Where an engine is among the engines of a ranker. */
export interface Partition {
  readonly place: number;
  readonly table: ConnectionTable;
  readonly memories: readonly PeerMemory[];
  /** Bells of all engines. */
  readonly bells: readonly Bell[];
}

/** A transport whose connections are partitioned over engines. Each has some, and sends over the others through their owners. */
export class PartitionedTransport implements Transport {
  readonly name: string;
  readonly #transport: Transport;
  readonly #partition: Partition;
  readonly #sessions = new Map<number, PartitionedSession>();
  readonly peers: Peers;

  constructor(transport: Transport, partition: Partition) {
    const { place, memories, bells } = partition;
    this.name = transport.name;
    this.#transport = transport;
    this.#partition = partition;
    const sessionOf = (connection: number): GatedSession | undefined => this.#sessions.get(connection)?.own;
    this.peers = new Peers(place, { memories, bells }, sessionOf, new BufferPool());
  }

  session(url: string): Session {
    const number = this.#partition.table.numberOf(url);
    // There are more connections than the engines share out: each has one of its own to the rest.
    if (number === undefined) return this.#transport.session(url);
    const session = new PartitionedSession(url, number, this.#transport, this.#partition, this.peers);
    this.#sessions.set(number, session);
    this.#partition.table.know(number, this.#partition.place);
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

/** The connection to one worker, for one engine. */
class PartitionedSession implements Session {
  readonly #url: string;
  readonly #number: number;
  readonly #transport: Transport;
  readonly #partition: Partition;
  readonly #peers: Peers;
  readonly #bytesMax: number;
  #own: GatedSession | undefined;
  #closed = false;

  constructor(url: string, number: number, transport: Transport, partition: Partition, peers: Peers) {
    this.#url = url;
    this.#number = number;
    this.#transport = transport;
    this.#partition = partition;
    this.#peers = peers;
    this.#bytesMax = PeerMemory.slotBytes(partition.memories.length) * partedBytesShare;
  }

  get #isOwner(): boolean {
    return this.#partition.table.owner(this.#number) === this.#partition.place;
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
    const { place, table } = this.#partition;
    const owner = table.owner(this.#number);
    const isSmall = outgoing.bytes + outgoing.replyBytes <= this.#bytesMax;
    // After a change of the routing table, the owner may not have connected to the node yet.
    const asks = owner !== place && isSmall && table.isKnown(this.#number, owner);
    const asked = asks ? this.#peers.ask(owner, this.#number, this.#url, outgoing) : undefined;
    return asked ?? this.own.send(outgoing, held);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#own?.close();
  }
}
