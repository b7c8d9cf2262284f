import { pooledReplyBytesMax } from '../limits.ts';
import type { Received } from './transport.ts';

/** Memory for replies. Released memory is used again, so that a stream of replies leaves no garbage. */
export class ReplyPool {
  /** Free buffers, by the logarithm of their size. */
  readonly #free: ArrayBuffer[][] = [];
  #freeBytes = 0;

  take(bytes: number): Received {
    const size = sizeClass(bytes);
    const free = this.#free[size]?.pop();
    if (free) this.#freeBytes -= free.byteLength;
    return new PooledReply(free ?? new ArrayBuffer(2 ** size), bytes, this);
  }

  give(buffer: ArrayBuffer): void {
    if (this.#freeBytes + buffer.byteLength > pooledReplyBytesMax) return;
    const size = sizeClass(buffer.byteLength);
    this.#free[size] ??= [];
    this.#free[size].push(buffer);
    this.#freeBytes += buffer.byteLength;
  }
}

function sizeClass(bytes: number): number {
  return Math.max(8, 32 - Math.clz32(bytes - 1));
}

class PooledReply implements Received {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #pool: ReplyPool;
  #released = false;

  constructor(buffer: ArrayBuffer, bytes: number, pool: ReplyPool) {
    this.bytes = new Uint8Array(buffer, 0, bytes);
    this.#pool = pool;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#pool.give(this.bytes.buffer);
  }
}
