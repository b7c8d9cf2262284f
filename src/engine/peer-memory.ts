import { allocationAlignBytes } from '../store/free-list.ts';
import type { EngineSizes } from './engine-sizes.ts';
import { Ring } from './ring.ts';
import { SlotPool } from './slot-pool.ts';

/** The slots are behind the rings. */
function slotsAt(engines: number, { ringRecords }: EngineSizes): number {
  return Math.ceil((engines * Ring.words(ringRecords) * 4) / allocationAlignBytes) * allocationAlignBytes;
}

/** Memory that an engine shares with the other engines: what they say to it, and what it sends to them. */
export class PeerMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #signed: Int32Array;
  readonly #slotsAt: number;
  readonly #sizes: EngineSizes;

  static allocate(engines: number, sizes: EngineSizes): SharedArrayBuffer {
    return new SharedArrayBuffer(slotsAt(engines, sizes) + engines * sizes.peerBytes);
  }

  constructor(buffer: SharedArrayBuffer, engines: number, sizes: EngineSizes) {
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
    this.#slotsAt = slotsAt(engines, sizes);
    this.#sizes = sizes;
  }

  /** What another engine says to this one. */
  ringFrom(place: number): Ring {
    const { ringRecords } = this.#sizes;
    return new Ring(this.#signed, place * Ring.words(ringRecords), ringRecords);
  }

  /** Memory for what this engine sends to another one. Only this engine gives it out. */
  slotsFor(place: number): SlotPool {
    const { peerBytes } = this.#sizes;
    const begin = this.#slotsAt + place * peerBytes;
    return new SlotPool(begin, begin + peerBytes);
  }
}
