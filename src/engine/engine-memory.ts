import { allocationAlignBytes } from '../store/free-list.ts';
import { Bell } from './bell.ts';
import type { EngineSizes } from './engine-sizes.ts';
import { Ring } from './ring.ts';
import { SlotPool } from './slot-pool.ts';

/** Kinds of records to an engine: a lookup; it is cancelled; results are not used any more. */
export const lookupRecord = 1;
export const cancelRecord = 2;
export const releaseRecord = 3;

const statsWords = 64;
const bellAt = 0;
const inAt = bellAt + Bell.words;

/** Where everything is: words of rings and counters, then bytes of requests and results. */
interface Places {
  readonly outAt: number;
  readonly statsAt: number;
  readonly requestsAt: number;
  readonly resultsAt: number;
  readonly end: number;
}

function placesOf({ ringRecords, requestBytes, resultBytes }: EngineSizes): Places {
  const outAt = inAt + Ring.words(ringRecords);
  const statsAt = outAt + Ring.words(ringRecords);
  const head = (statsAt + statsWords) * 4;
  const requestsAt = Math.ceil(head / allocationAlignBytes) * allocationAlignBytes;
  const resultsAt = requestsAt + requestBytes;
  return { outAt, statsAt, requestsAt, resultsAt, end: resultsAt + resultBytes };
}

/** How long an engine has been busy, until a time of its own clock. */
export interface EngineUse {
  readonly busyMs: number;
  readonly atMs: number;
}

/** Memory that an engine shares with the thread of the application. */
export class EngineMemory {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  /** Wakes the engine. */
  readonly bell: Bell;
  /** Records to the engine, and from it. */
  readonly toEngine: Ring;
  readonly fromEngine: Ring;
  /** What the engine has counted. The last two numbers are its use. */
  readonly stats: Float64Array;
  readonly #places: Places;
  /** Smaller results are copied. */
  readonly sharedResultBytes: number;

  /** @param wake wakes the engine @param shared the same memory in another thread; default: new memory */
  constructor(wake: () => void, sizes: EngineSizes, shared?: SharedArrayBuffer) {
    const places = placesOf(sizes);
    const { outAt, statsAt, end } = places;
    const buffer = shared ?? new SharedArrayBuffer(end);
    this.#places = places;
    this.sharedResultBytes = sizes.sharedResultBytes;
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.floats = new Float64Array(buffer);
    const signed = new Int32Array(buffer);
    this.bell = new Bell(signed, bellAt, wake);
    this.toEngine = new Ring(signed, inAt, sizes.ringRecords);
    this.fromEngine = new Ring(signed, outAt, sizes.ringRecords);
    this.stats = new Float64Array(buffer, statsAt * 4, statsWords / 2);
  }

  get use(): EngineUse {
    const [busyMs, atMs] = this.stats.subarray(-2);
    return { busyMs, atMs };
  }

  set use({ busyMs, atMs }: EngineUse) {
    this.stats.set([busyMs, atMs], this.stats.length - 2);
  }

  /** Memory for requests, which the application gives out, and for results, which the engine gives out. */
  requestSlots(): SlotPool {
    return new SlotPool(this.#places.requestsAt, this.#places.resultsAt);
  }

  resultSlots(): SlotPool {
    return new SlotPool(this.#places.resultsAt, this.#places.end);
  }
}
