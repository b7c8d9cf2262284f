import { FlexemrError } from '../errors.ts';
import type { Kernels } from '../kernel/kernels.ts';
import { instantiate } from '../kernel/wasm.ts';
import { arenaPagesMax, wasmPageBytes } from '../limits.ts';
import { FreeList, roundUp } from './free-list.ts';

/**
 * A shared memory of fixed size, its kernels, and two allocators: `rows` for tables, which stay long, and `slots` for
 * lookups, which are short. The memory never grows, so addresses and views stay valid as long as the arena exists.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly longs: BigUint64Array;
  readonly rows: FreeList;
  readonly slots: FreeList;

  /** @throws OUT_OF_MEMORY if the system cannot allocate the memory */
  constructor(module: WebAssembly.Module, rowBytes: number, slotBytes: number) {
    // The first cache line is not used, so that address 0 can mean "none".
    const slotsBegin = roundUp(64 + rowBytes);
    const pages = Math.ceil((slotsBegin + slotBytes) / wasmPageBytes);
    if (pages > arenaPagesMax) {
      throw new RangeError(
        `an arena of ${pages} pages is larger than the ${arenaPagesMax} pages that 32-bit addresses reach`,
      );
    }
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new FlexemrError(
        'OUT_OF_MEMORY',
        `the system cannot allocate ${pages * wasmPageBytes} bytes of memory for an arena`,
        {
          field: 'arena',
          value: pages * wasmPageBytes,
          cause,
        },
      );
    }
    this.kernels = instantiate(module, this.memory);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Uint32Array(this.memory.buffer);
    this.floats = new Float32Array(this.memory.buffer);
    this.longs = new BigUint64Array(this.memory.buffer);
    this.rows = new FreeList(64, slotsBegin);
    this.slots = new FreeList(slotsBegin, pages * wasmPageBytes);
  }
}

/** An allocated range of an arena. */
export interface Extent {
  readonly arena: Arena;
  readonly address: number;
  readonly bytes: number;
}
