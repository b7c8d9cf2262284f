import { pooledBytesMax, pooledUnusedMs } from '../limits.ts';

/** Bytes that stay valid until they are released. Releasing them is optional. */
export interface PooledBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Their memory may be used again. Later calls do nothing. */
  release(): void;
}

/** Free buffers of one size. */
interface FreeBuffers {
  readonly buffers: ArrayBuffer[];
  /** The fewest that were free at a time, since the pool was trimmed last. So many were not needed. */
  fewest: number;
}

/**
 * Buffers for replies and results. Released memory is used again, so that a stream of lookups leaves no garbage. What was not
 * needed for a while is given up, so that a peak of load does not hold memory for ever.
 */
export class BufferPool {
  /** By the logarithm of their size. */
  readonly #free: FreeBuffers[] = [];
  #freeBytes = 0;
  #trimmedAt = performance.now();

  take(bytes: number): PooledBytes {
    const size = sizeClass(bytes);
    const free = this.#free[size];
    const buffer = free?.buffers.pop();
    if (free && buffer) {
      this.#freeBytes -= buffer.byteLength;
      free.fewest = Math.min(free.fewest, free.buffers.length);
    }
    return new PooledBuffer(buffer ?? new ArrayBuffer(2 ** size), bytes, this);
  }

  give(buffer: ArrayBuffer): void {
    this.#trim();
    if (this.#freeBytes + buffer.byteLength > pooledBytesMax) return;
    const size = sizeClass(buffer.byteLength);
    this.#free[size] ??= { buffers: [], fewest: 0 };
    this.#free[size].buffers.push(buffer);
    this.#freeBytes += buffer.byteLength;
  }

  #trim(): void {
    const now = performance.now();
    if (now - this.#trimmedAt < pooledUnusedMs) return;
    this.#trimmedAt = now;
    for (const free of this.#free.filter(Boolean)) {
      for (const { byteLength } of free.buffers.splice(0, free.fewest)) this.#freeBytes -= byteLength;
      free.fewest = free.buffers.length;
    }
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
