import { FlexemrError } from '../errors.ts';
import type { Kernels } from '../kernel/kernels.ts';
import { CHECKSUM_BYTES } from '../kernel/layout.ts';
import { instantiate } from '../kernel/wasm.ts';
import { checksumWindowBytes, wasmPageBytes, workspaceBytesMax } from '../limits.ts';
import { roundUp } from '../store/free-list.ts';
import { HEADER_BYTES } from '../wire/layout.ts';

/**
 * A ranker's own plain memory, and kernels that work on it. Every use of it must finish between two awaits, because
 * `begin` discards everything that was there before. `take` allocates the next piece.
 */
export class Workspace {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #floats: Float32Array;
  #next = 0;
  readonly #bytesMax: number;

  /** @param module kernels built for plain memory @param bytesMax already checked */
  constructor(module: WebAssembly.Module, bytesMax: number = workspaceBytesMax) {
    this.#bytesMax = bytesMax;
    this.#memory = new WebAssembly.Memory({ initial: 16 });
    this.kernels = instantiate(module, this.#memory);
    [this.#bytes, this.#words, this.#floats] = this.#views();
  }

  #views(): [Uint8Array, Uint32Array, Float32Array] {
    const { buffer } = this.#memory;
    return [new Uint8Array(buffer), new Uint32Array(buffer), new Float32Array(buffer)];
  }

  /** Discards everything, and reserves space for `bytes` bytes in `pieces` pieces. @throws OUT_OF_MEMORY */
  begin(bytes: number, pieces: number): void {
    // The first 64 bytes stay free, so that address 0 can mean "none".
    const needed = 64 + bytes + pieces * 64;
    const missing = Math.ceil((needed - this.#bytes.length) / wasmPageBytes);
    if (needed > this.#bytesMax) throw outOfMemory(needed, this.#bytesMax);
    if (missing > 0) {
      try {
        this.#memory.grow(missing);
      } catch (cause) {
        throw outOfMemory(needed, this.#bytesMax, cause);
      }
      [this.#bytes, this.#words, this.#floats] = this.#views();
    }
    this.#next = 64;
  }

  /** Allocates `bytes` bytes. @returns their address */
  take(bytes: number): number {
    const at = this.#next;
    this.#next += roundUp(bytes);
    return at;
  }

  /** Frees everything that was allocated since `take` returned `at`. */
  rewind(at: number): void {
    this.#next = at;
  }

  /** Copies `data` into the workspace. @returns the address of the copy */
  put(data: Uint8Array | Uint32Array | Float32Array): number {
    const at = this.take(data.byteLength);
    if (data instanceof Uint32Array) this.#words.set(data, at >>> 2);
    else if (data instanceof Float32Array) this.#floats.set(data, at >>> 2);
    else this.#bytes.set(data, at);
    return at;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get words(): Uint32Array {
    return this.#words;
  }

  /** The checksum (assembly/checksum.ts) of a frame outside this memory, which is copied in one window at a time. */
  checksum(frame: Uint8Array): number {
    this.begin(CHECKSUM_BYTES + checksumWindowBytes, 2);
    const sums = this.take(CHECKSUM_BYTES);
    const window = this.take(checksumWindowBytes);
    if (frame.length <= checksumWindowBytes) {
      this.#bytes.set(frame, window);
      return this.kernels.checksum(sums, window, frame.length) >>> 0;
    }
    this.#bytes.fill(0, sums, sums + CHECKSUM_BYTES);
    for (let at = HEADER_BYTES; at < frame.length; at += checksumWindowBytes) {
      const piece = frame.subarray(at, at + checksumWindowBytes);
      this.#bytes.set(piece, window);
      this.kernels.checksumAdd(sums, window, piece.length);
    }
    this.#bytes.set(frame.subarray(0, HEADER_BYTES), window);
    return this.kernels.checksumEnd(sums, window) >>> 0;
  }

  /** A copy of `length` floats. */
  floatsAt(at: number, length: number): Float32Array {
    return this.#floats.slice(at >>> 2, (at >>> 2) + length);
  }

  /** A copy of `length` words. */
  wordsAt(at: number, length: number): Uint32Array {
    return this.#words.slice(at >>> 2, (at >>> 2) + length);
  }
}

function outOfMemory(bytes: number, most: number, cause?: unknown): FlexemrError {
  const message = `merging this lookup needs ${bytes} bytes, but at most ${most} are allowed; split the batch`;
  return new FlexemrError('OUT_OF_MEMORY', message, { field: 'bags', value: bytes, cause });
}
