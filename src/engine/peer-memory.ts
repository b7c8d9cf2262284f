import { peerBytesMax, peerBytesMin } from '../engine-limits.ts';
import { allocationAlignBytes } from '../store/free-list.ts';
import { Ring } from './ring.ts';
import { SlotPool } from './slot-pool.ts';

function alignUp(bytes: number): number {
  return Math.ceil(bytes / allocationAlignBytes) * allocationAlignBytes;
}

/** Memory that an engine shares with the other engines: what they say to it, and what it sends to them. */
export class PeerMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #signed: Int32Array;
  readonly #slotsAt: number;
  readonly #slotBytes: number;

  /** Bytes for what one engine sends to another. */
  static slotBytes(engines: number): number {
    return Math.max(peerBytesMin, Math.floor(peerBytesMax / Math.max(1, engines - 1) / 64) * 64);
  }

  static allocate(engines: number): SharedArrayBuffer {
    return new SharedArrayBuffer(alignUp(engines * Ring.words * 4) + engines * PeerMemory.slotBytes(engines));
  }

  constructor(buffer: SharedArrayBuffer, engines: number) {
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
    this.#slotsAt = alignUp(engines * Ring.words * 4);
    this.#slotBytes = PeerMemory.slotBytes(engines);
  }

  /** What another engine says to this one. */
  ringFrom(place: number): Ring {
    return new Ring(this.#signed, place * Ring.words);
  }

  /** Memory for what this engine sends to another one. Only this engine gives it out. */
  slotsFor(place: number): SlotPool {
    const begin = this.#slotsAt + place * this.#slotBytes;
    return new SlotPool(begin, begin + this.#slotBytes);
  }
}
