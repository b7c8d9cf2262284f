// A memory for kernels in which every buffer is between poisoned bytes. Only writable buffers may change.
import { NONE } from '../../src/kernel/layout.ts';

const guardBytes = 192;

export class PoisonedMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  #next = 1024;
  #seed: number;
  readonly #writable: { begin: number; end: number }[] = [];
  #before: Uint8Array | undefined;

  constructor(pages: number, shared: boolean, seed: number) {
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Uint32Array(this.memory.buffer);
    this.#seed = seed;
    // Bytes of ones are NaN as rows, past every end as offsets, and not a row as keys.
    this.words.fill(NONE);
  }

  /** Reserves `bytes` at an address that is a multiple of `align`, but not always of more. */
  place(bytes: number, align: number, writable = false): number {
    let address = this.#next + guardBytes;
    address += (align - (address % align)) % align;
    if (align < 64 && this.#random() % 2) address += align;
    this.#next = address + bytes + guardBytes;
    if (this.#next > this.bytes.length)
      throw new RangeError('the poisoned memory is too small for this case');
    if (writable) this.#writable.push({ begin: address, end: address + bytes });
    return address;
  }

  put(data: ArrayBufferView, align: number): number {
    const address = this.place(data.byteLength, align);
    this.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
    return address;
  }

  /** Copies every byte, so that `strayWrites` can find changes. */
  seal(): void {
    this.#before = this.bytes.slice();
  }

  /** @returns the addresses of changed bytes outside of writable buffers */
  strayWrites(): number[] {
    const before = this.#before ?? new Uint8Array();
    const stray: number[] = [];
    for (let i = 0; i < before.length; i++) {
      if (this.bytes[i] === before[i]) continue;
      if (!this.#writable.some(({ begin, end }) => i >= begin && i < end)) stray.push(i);
    }
    return stray;
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed >>> 16;
  }
}
