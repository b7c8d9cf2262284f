import type { Kernels } from '../kernel/kernels.ts';
import { CHECKSUM_BYTES, INDEX_SCRATCH_BYTES, SCRATCH_BYTES } from '../kernel/layout.ts';
import { instantiate } from '../kernel/wasm.ts';
import type { SlotRange } from './hosting.ts';
import { Slots } from './slots.ts';

/** Memory in which frames are answered, by one thread at a time. */
export interface AnswerMemory {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly slots: {
    allocate(bytes: number): number | undefined;
    free(address: number, bytes: number): void;
  };
  /** Address of SCRATCH_BYTES for the current call. A thread runs one call at a time. */
  readonly scratch: number;
  /** Address of INDEX_SCRATCH_BYTES. */
  readonly indexScratch: number;
  /** Address of CHECKSUM_BYTES for the current frame. */
  readonly checksum: number;
}

/** One worker's view of one arena: its own kernels, and a range of slots that no other worker writes to. */
export class WorkerArena implements AnswerMemory {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
  readonly slots: Slots;
  readonly scratch: number;
  readonly indexScratch: number;
  readonly checksum: number;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, { begin, end }: SlotRange) {
    this.memory = memory;
    this.kernels = instantiate(module, memory);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.longs = new BigUint64Array(memory.buffer);
    this.scratch = begin;
    this.indexScratch = begin + SCRATCH_BYTES;
    this.checksum = this.indexScratch + INDEX_SCRATCH_BYTES;
    this.slots = new Slots(this.checksum + CHECKSUM_BYTES, end);
  }
}
