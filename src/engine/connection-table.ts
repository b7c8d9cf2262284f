import { engineConnectionsMax } from '../engine-limits.ts';

/** Words of a connection: a hash of its address, its owner, its work, how many subrequests wait, and two of who knows it, a bit an engine. */
const hashAt = 0;
const ownerAt = 1;
const workAt = 2;
const queuedAt = 3;
const knownAt = 4;
const connectionWords = 6;
/** Before the connections: how many there are. */
const countAt = 0;
const headWords = 16;

/** What the owner of a connection has counted. */
export interface ConnectionState {
  readonly owner: number;
  /** Subrequests so far, weighed by their bytes; modulo 2^32. */
  readonly work: number;
  /** Subrequests that wait for a credit now. */
  readonly queued: number;
}

/**
 * Which engine owns the connection to each worker. All engines and their application share it, and none ever waits for
 * another.
 */
export class ConnectionTable {
  static readonly bytes: number = (headWords + engineConnectionsMax * connectionWords) * 4;
  readonly #words: Int32Array;
  readonly #engines: number;

  /** @param buffer of `ConnectionTable.bytes` bytes, which are 0 at the start */
  constructor(buffer: SharedArrayBuffer, engines: number) {
    this.#words = new Int32Array(buffer);
    this.#engines = engines;
  }

  /**
   * The number of the connection to an address. New ones are given to the engines in turn. Two addresses with one hash have
   * one number, and so one owner.
   * @returns undefined if there are too many
   */
  numberOf(url: string): number | undefined {
    const hash = hashOf(url);
    for (let probe = 0; probe < engineConnectionsMax; probe++) {
      const number = ((hash >>> 0) + probe) % engineConnectionsMax;
      const at = headWords + number * connectionWords;
      const there = Atomics.load(this.#words, at + hashAt);
      if (there === hash) return number;
      if (there !== 0) continue;
      // The owner is known before the connection can be found.
      const claimed = Atomics.compareExchange(this.#words, at + hashAt, 0, hash);
      if (claimed === 0) {
        Atomics.store(this.#words, at + ownerAt, 1 + (Atomics.add(this.#words, countAt, 1) % this.#engines));
        return number;
      }
      if (claimed === hash) return number;
    }
    return undefined;
  }

  /** The engine that owns a connection. The first one, for the moment in which another one is chosen. */
  owner(number: number): number {
    return Math.max(0, Atomics.load(this.#words, this.#at(number) + ownerAt) - 1);
  }

  /** An engine has heard of a connection, and can be asked to send over it. */
  know(number: number, engine: number): void {
    Atomics.or(this.#words, this.#at(number) + knownAt + (engine >>> 5), 1 << (engine & 31));
  }

  isKnown(number: number, engine: number): boolean {
    const known = Atomics.load(this.#words, this.#at(number) + knownAt + (engine >>> 5));
    return ((known >>> (engine & 31)) & 1) === 1;
  }

  /** Subrequests that begin from now on go to another engine. */
  move(number: number, to: number): void {
    Atomics.store(this.#words, this.#at(number) + ownerAt, to + 1);
  }

  addWork(number: number, work: number): void {
    Atomics.add(this.#words, this.#at(number) + workAt, work);
  }

  addQueued(number: number, count: number): void {
    Atomics.add(this.#words, this.#at(number) + queuedAt, count);
  }

  /** All connections by their numbers. */
  states(): Map<number, ConnectionState> {
    const all = new Map<number, ConnectionState>();
    for (let number = 0; number < engineConnectionsMax; number++) {
      const at = this.#at(number);
      if (Atomics.load(this.#words, at + hashAt) === 0) continue;
      const [work, queued] = [workAt, queuedAt].map((field) => Atomics.load(this.#words, at + field));
      all.set(number, { owner: this.owner(number), work: work >>> 0, queued });
    }
    return all;
  }

  #at(number: number): number {
    return headWords + number * connectionWords;
  }
}

/** FNV-1a, never 0. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0 || 1;
}
