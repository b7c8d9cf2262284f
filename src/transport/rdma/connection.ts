import type * as Verbs from 'ibverbs-node';
import { registerMemory } from './device.ts';
import type { Endpoint, Link } from './endpoint.ts';
import type { Peer, Slots } from './handshake.ts';
import { connectQueuePair, makeQueuePair, randomPacketNumber } from './queue-pair.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { WorkBatch } from './work-batch.ts';

/** Kinds of work, in the low word of a completion's id. Reads use `readKind` and the numbers after it. */
export const receiveKind = 0;
export const sendKind = 1;
export const readKind = 2;

/** Limits of one connection. */
export interface Depths {
  /** Sends in flight. */
  readonly sends: number;
  /** Sends that are waiting to be posted. */
  readonly waiting: number;
  /** Frames that can arrive before further receives are posted. */
  readonly receives: number;
}

/**
 * One end of a connection: a queue pair, its memory, and the work requests that will be posted to it together, with one
 * doorbell. If its memory cannot be registered, or if it cannot connect, it closes itself.
 */
export class Connection {
  /** Sends that will be posted next. */
  readonly sends: WorkBatch;
  /** High word of the ids of its completions. */
  readonly number: number;
  readonly #endpoint: Endpoint;
  readonly #depths: Depths;
  readonly #queuePair: Verbs.QueuePair;
  readonly #receives: ReceiveBatch;
  readonly #regions: Verbs.MemoryRegion[] = [];
  readonly #packetNumber: number = randomPacketNumber();

  /** @param link gets the completions @throws IbverbsError */
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

  /** What the other side needs to know about this end. */
  get own(): Peer {
    const { gid, mtu, readsInFlight } = this.#endpoint.device;
    const queuePair = this.#queuePair.number;
    return { queuePair, packetNumber: this.#packetNumber, gid: gid.raw, mtu, readsInFlight };
  }

  /**
   * Registers memory with the card until the connection closes.
   * @param access who else may access it, and how @throws OUT_OF_MEMORY
   */
  register(bytes: Uint8Array, access: number): Verbs.MemoryRegion {
    const { verbs, device } = this.#endpoint;
    return this.#orClose(() => {
      const region = registerMemory(verbs, device, bytes, access);
      this.#regions.push(region);
      return region;
    });
  }

  /** Connects. From now on, frames can arrive. @param access what the other side may do @throws IbverbsError */
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

  /**
   * Adds a WRITE of the frame of `bytes` bytes at address `local` to slot `slot` of the other side. The WRITE notifies
   * the other side.
   */
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

  /** Adds a WRITE of no bytes, which only notifies the other side. */
  notify(slots: Slots, immediate: number, lkey: number): void {
    const { sendOpcode, sendFlags } = this.#endpoint.verbs;
    this.sends.add({
      opcode: sendOpcode.writeImmediate,
      flags: sendFlags.signaled,
      idLow: sendKind,
      idHigh: this.number,
      immediate,
      local: 0,
      bytes: 0,
      lkey,
      remote: slots.address,
      rkey: slots.rkey,
    });
  }

  /** A frame has arrived. Adds a receive, so that another frame can arrive. */
  received(): void {
    this.#receives.add();
  }

  /**
   * Posts what was added. Receives are posted first, because the other side may use a slot as soon as it learns that
   * the slot is free. @throws IbverbsError
   */
  flush(): void {
    this.#receives.flush();
    this.sends.flush();
  }

  /** Afterwards, neither the card nor the other side can access its memory. */
  close(): void {
    this.#queuePair.close();
    this.#endpoint.dismiss(this.number);
    for (const region of this.#regions) region.close();
  }
}
