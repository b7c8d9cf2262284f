import type { EngineMemory } from './engine-memory.ts';
import { releaseRecord } from './engine-memory.ts';
import type { ResultsMemory } from './results-frame.ts';

interface Place {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Results that are used where an engine has left them. They are valid as long as something refers to them: each has a buffer of its
 * own, over the same memory, and the garbage collector tells when no view of this buffer is left.
 */
export class SharedResults {
  readonly #memory: EngineMemory;
  readonly #collected: FinalizationRegistry<Place>;
  /** Released, but the ring was full. */
  readonly #waiting: Place[] = [];

  constructor(memory: EngineMemory) {
    this.#memory = memory;
    this.#collected = new FinalizationRegistry((place) => this.#release(place));
  }

  at(address: number, bytes: number): ResultsMemory {
    // A clone of a shared buffer is another object for the same memory.
    const buffer = structuredClone(this.#memory.buffer) as ArrayBufferLike as ArrayBuffer;
    const place = { address, bytes };
    this.#collected.register(buffer, place, place);
    const release = (): void => {
      if (this.#collected.unregister(place)) this.#release(place);
    };
    return { bytes: new Uint8Array(buffer, address, bytes), release };
  }

  /** The engine need not wake for it: it looks before it needs memory. */
  #release(place: Place): void {
    this.#waiting.push(place);
    this.flush();
  }

  /** Tells the engine what was released. */
  flush(): void {
    for (let last = this.#waiting.at(-1); last !== undefined; last = this.#waiting.at(-1)) {
      if (!this.#memory.toEngine.give(releaseRecord, 0, last.address, last.bytes)) return;
      this.#waiting.pop();
    }
  }
}
