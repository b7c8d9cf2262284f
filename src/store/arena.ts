import { FlexemrError } from '../errors.ts';
import type { Kernels } from '../kernel/kernels.ts';
import { instantiate } from '../kernel/wasm.ts';
import { arenaPagesMax, wasmPageBytes } from '../limits.ts';
import { FreeList, roundUp } from './free-list.ts';

/**
 * A fixed, shared memory, kernels over it, and room in two parts: rows, which live long, and slots, in which
 * lookups come and go. It never grows, so addresses and views stay good for as long as it lives.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly rows: FreeList;
  readonly slots: FreeList;

  /** @throws OUT_OF_MEMORY where the system does not grant the memory */
  constructor(module: WebAssembly.Module, rowBytes: number, slotBytes: number) {
    // The first line stays free, so that address 0 can mean "none".
    const slotsBegin = roundUp(64 + rowBytes);
    const pages = Math.ceil((slotsBegin + slotBytes) / wasmPageBytes);
    if (pages > arenaPagesMax) {
      throw new RangeError(
        `an arena of ${pages} pages is over the ${arenaPagesMax} that 32-bit addresses reach`,
      );
    }
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new FlexemrError(
        'OUT_OF_MEMORY',
        `the system grants no memory of ${pages * wasmPageBytes} bytes for an arena`,
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
    this.rows = new FreeList(64, slotsBegin);
    this.slots = new FreeList(slotsBegin, pages * wasmPageBytes);
  }
}

/** A piece of room in an arena. */
export interface Extent {
  readonly arena: Arena;
  readonly address: number;
  readonly bytes: number;
}
