import type { Kernels } from '../kernel/kernels.ts';
import { INDEX_SCRATCH_BYTES } from '../kernel/layout.ts';
import { instantiate } from '../kernel/wasm.ts';
import { roundUp } from '../store/free-list.ts';
import { batchBytesMax, batchRowsMax } from '../update-limits.ts';

/** Keys, slots and rows of one batch. Quantised rows have up to 8 bytes more than their columns. */
const keysBytes = batchRowsMax * 8;
const slotsBytes = batchRowsMax * 4;
const rowsBytes = roundUp(batchBytesMax + 8 * batchRowsMax);

/** Bytes that a thread needs in an arena to write rows there. */
export const stagingBytes: number = INDEX_SCRATCH_BYTES + 2 * (keysBytes + slotsBytes) + 2 * rowsBytes;

/** An arena as the thread sees it that writes rows: its own kernels, and memory for one batch. */
export class WriterArena {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
  readonly floats: Float32Array;
  /** Addresses: INDEX_SCRATCH_BYTES; keys and their slots; those of them that are new; rows as they came, and as they are stored. */
  readonly scratch: number;
  readonly keys: number;
  readonly slots: number;
  readonly newKeys: number;
  readonly newSlots: number;
  readonly given: number;
  readonly encoded: number;

  /** @param staging address of `stagingBytes` that nobody else uses */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, staging: number) {
    this.kernels = instantiate(module, memory);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.longs = new BigUint64Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.scratch = staging;
    this.keys = this.scratch + INDEX_SCRATCH_BYTES;
    this.slots = this.keys + keysBytes;
    this.newKeys = this.slots + slotsBytes;
    this.newSlots = this.newKeys + keysBytes;
    this.given = this.newSlots + slotsBytes;
    this.encoded = this.given + rowsBytes;
  }

  /** The slots of ids in an index, NONE where there are none. @returns a view that is valid until the next call */
  find(index: number, ids: BigUint64Array): Uint32Array {
    this.longs.set(ids, this.keys >>> 3);
    this.kernels.indexFind(index, this.keys, this.slots, ids.length, this.scratch);
    return this.words.subarray(this.slots >>> 2, (this.slots >>> 2) + ids.length);
  }
}
