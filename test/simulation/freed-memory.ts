// Memory of rows that was freed. It is overwritten, and nobody may write to it until it is given out again.
import type { Extent } from '../../src/store/arena.ts';

const freedByte = 0xff;

export class FreedMemory {
  #freed: Extent[] = [];

  add(extent: Extent): void {
    bytesOf(extent).fill(freedByte);
    this.#freed.push(extent);
  }

  /** Memory is given out again. @throws as `check` */
  take({ arena, address, bytes }: Extent): void {
    this.check();
    const end = address + bytes;
    this.#freed = this.#freed.flatMap((freed) => {
      const freedEnd = freed.address + freed.bytes;
      if (freed.arena !== arena || freedEnd <= address || freed.address >= end) return [freed];
      const before = { arena, address: freed.address, bytes: address - freed.address };
      const after = { arena, address: end, bytes: freedEnd - end };
      return [before, after].filter((rest) => rest.bytes > 0);
    });
  }

  /** @throws if somebody has written to it */
  check(): void {
    for (const extent of this.#freed) {
      const at = bytesOf(extent).findIndex((byte) => byte !== freedByte);
      if (at >= 0)
        throw new Error(`somebody has written to memory that is freed, ${at} bytes from its begin`);
    }
  }
}

function bytesOf({ arena, address, bytes }: Extent): Uint8Array {
  return arena.bytes.subarray(address, address + bytes);
}
