import type * as Verbs from 'ibverbs-node';
import { registerMemory } from './device.ts';
import type { Endpoint, Link } from './endpoint.ts';
import type { Peer, Slots } from './handshake.ts';
import { connectQueuePair, makeQueuePair, randomPacketNumber } from './queue-pair.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { WorkBatch } from './work-batch.ts';

/** Kinds of work, in the low word of a completion's id; of reads this is the first. */
export const receiveKind = 0;
export const sendKind = 1;
export const readKind = 2;

/** How much of what one connection may have at a time. */
export interface Depths {
  /** Sends under way. */
  readonly sends: number;
  /** Sends that wait to be posted. */
  readonly waiting: number;
  /** Frames that may come. */
  readonly receives: number;
}

/**
 * One end of a connection: a queue pair, the memory it works with, and what is to be posted to it, all of it with one
 * doorbell. What goes wrong while it is set up closes it.
 */
export class Connection {
  /** What leaves next. */
  readonly sends: WorkBatch;
  /** The high word of its completions' ids. */
  readonly number: number;
  readonly #endpoint: Endpoint;
  readonly #depths: Depths;
  readonly #queuePair: Verbs.QueuePair;
  readonly #receives: ReceiveBatch;
  readonly #regions: Verbs.MemoryRegion[] = [];
  readonly #packetNumber: number = randomPacketNumber();

  /** @param link whose completions they are @throws IbverbsError */
  constructor(endpoint: Endpoint, link: Link, depths: Depths) {
    const { verbs, domain, queue } = endpoint;
    const queues = { sendQueue: queue, receiveQueue: queue };
    const room = { ...queues, maxSends: depths.sends, maxReceives: depths.receives };
    this.#queuePair = makeQueuePair(verbs, domain, room);
    this.number = endpoint.enroll(link);
    this.#endpoint = endpoint;
    this.#depths = depths;
    this.sends = new WorkBatch(verbs, this.#queuePair, depths.waiting, depths.sends);
    this.#receives = new ReceiveBatch(verbs, this.#queuePair, [receiveKind, this.number], depths.receives);
  }

  /** This end, as the other side needs to know it. */
  get own(): Peer {
    const { gid, mtu, readsInFlight } = this.#endpoint.device;
    const queuePair = this.#queuePair.number;
    return { queuePair, packetNumber: this.#packetNumber, gid: gid.raw, mtu, readsInFlight };
  }

  /** Memory that is the card's too, for as long as the connection is. @param access who else may do what @throws OUT_OF_MEMORY */
  register(bytes: Uint8Array, access: number): Verbs.MemoryRegion {
    const { verbs, device } = this.#endpoint;
    return this.#orClose(() => {
      const region = registerMemory(verbs, device, bytes, access);
      this.#regions.push(region);
      return region;
    });
  }

  /** Frames may come from now on. @param access what the other side may do @throws IbverbsError */
  connect(peer: Peer, access: number): void {
    const own = { packetNumber: this.#packetNumber, access };
    this.#orClose(() => {
      connectQueuePair(this.#queuePair, this.#endpoint.device, peer, own);
      this.#receives.add(this.#depths.receives);
      this.#receives.flush();
    });
  }

  #orClose<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds a frame of `bytes` bytes at address `local`, for slot `slot` of the other side, which is told of it. */
  write(slots: Slots, slot: number, local: number, bytes: number, lkey: number): void {
    const { sendOpcode, sendFlags } = this.#endpoint.verbs;
    const inline = bytes <= this.#queuePair.maxInlineBytes ? sendFlags.inline : 0;
    this.sends.add({
      opcode: sendOpcode.writeImmediate,
      flags: sendFlags.signaled | inline,
      idLow: sendKind,
      idHigh: this.number,
      immediate: slot,
      local,
      bytes,
      lkey,
      remote: slots.address + slot * slots.bytes,
      rkey: slots.rkey,
    });
  }

  /** A frame has come: another one may. */
  received(): void {
    this.#receives.add();
  }

  /** Posts what was added, receives first: who hears of a free slot may use it. @throws IbverbsError */
  flush(): void {
    this.#receives.flush();
    this.sends.flush();
  }

  /** After this the card touches none of its memory, and nobody else may. */
  close(): void {
    this.#queuePair.close();
    this.#endpoint.dismiss(this.number);
    for (const region of this.#regions) region.close();
  }
}
