import { pooledBytesMax } from '../limits.ts';

/** Bytes that stay valid until they are released. Releasing them is optional. */
export interface PooledBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Their memory may be used again. Later calls do nothing. */
  release(): void;
}

/** Buffers for replies and results. Released memory is used again, so that a stream of lookups leaves no garbage. */
export class BufferPool {
  /** Free buffers, by the logarithm of their size. */
  readonly #free: ArrayBuffer[][] = [];
  #freeBytes = 0;

  take(bytes: number): PooledBytes {
    const size = sizeClass(bytes);
    const free = this.#free[size]?.pop();
    if (free) this.#freeBytes -= free.byteLength;
    return new PooledBuffer(free ?? new ArrayBuffer(2 ** size), bytes, this);
  }

  give(buffer: ArrayBuffer): void {
    if (this.#freeBytes + buffer.byteLength > pooledBytesMax) return;
    const size = sizeClass(buffer.byteLength);
    this.#free[size] ??= [];
    this.#free[size].push(buffer);
    this.#freeBytes += buffer.byteLength;
  }
}

function sizeClass(bytes: number): number {
  return Math.max(8, 32 - Math.clz32(bytes - 1));
}

class PooledBuffer implements PooledBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #pool: BufferPool;
  #released = false;

  constructor(buffer: ArrayBuffer, bytes: number, pool: BufferPool) {
    this.bytes = new Uint8Array(buffer, 0, bytes);
    this.#pool = pool;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#pool.give(this.bytes.buffer);
  }
}
