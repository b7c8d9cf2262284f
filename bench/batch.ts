// The input of both sides: one pooling batch that is repeated with different keys.
import { writePoolCall } from '../src/kernel/call.ts';
import { type DType, rowBytes } from '../src/kernel/dtype.ts';
import { CALL_BYTES, CALL_OUT, SCRATCH_BYTES } from '../src/kernel/layout.ts';
import type { Arena } from './arena.ts';
import { fillFloats, rowSource } from './data.ts';

export interface Shape {
  readonly dtype: DType;
  readonly dim: number;
  readonly rows: number;
  readonly mode: 'sum' | 'weighted sum' | 'mean' | 'max';
  /** Zipf exponent. Undefined: uniform. */
  readonly skew?: number;
}

export const BAGS = 512;
export const BAG_KEYS = 80;
/** Keys of one call. */
export const BATCH_KEYS: number = BAGS * BAG_KEYS;
/** Key sets that are used in turn. They have over a million keys, so no cache keeps the rows of a large table. */
export const KEY_SETS = 32;
/** For larger tables than this, touching rows before they are folded saves time. */
const CACHED_BYTES = 1 << 20;

/** Key sets, weights and offsets for a table in the arena. */
export class Batch {
  readonly shape: Shape;
  readonly #arena: Arena;
  readonly #table: number;
  readonly #keys: number;
  readonly #offsets: number;
  readonly #weights: number;

  /** @param table address of a table of this shape, already filled */
  constructor(arena: Arena, shape: Shape, table: number) {
    this.shape = shape;
    this.#arena = arena;
    this.#table = table;
    this.#keys = arena.allocate(KEY_SETS * BATCH_KEYS * 4);
    const source = rowSource(shape.rows, shape.skew, 3);
    for (let i = 0; i < KEY_SETS * BATCH_KEYS; i++) arena.u32[this.#keys / 4 + i] = source();
    this.#offsets = arena.allocate((BAGS + 1) * 4);
    for (let bag = 0; bag <= BAGS; bag++) arena.u32[this.#offsets / 4 + bag] = bag * BAG_KEYS;
    this.#weights = shape.mode === 'weighted sum' ? arena.allocate(BATCH_KEYS * 4) : 0;
    if (this.#weights) fillFloats(arena.f32.subarray(this.#weights / 4, this.#weights / 4 + BATCH_KEYS), 4);
  }

  /** Addresses of the sets of keys. */
  keySets(): number[] {
    return Array.from({ length: KEY_SETS }, (_, set) => this.#keys + set * BATCH_KEYS * 4);
  }

  /** Allocates a call block and memory for its results. */
  createCall(): number {
    const { dtype, dim, rows, mode } = this.shape;
    const arena = this.#arena;
    const call = arena.allocate(CALL_BYTES);
    const shard = {
      address: this.#table,
      rows,
      rowBase: 0,
      tableRows: rows,
      rowBytes: rowBytes(dtype, dim),
      dim,
      dtype,
      finite: true,
      defaultRow: 0,
      last: true,
    };
    const bags = {
      keys: this.#keys,
      keyBytes: 4 as const,
      keyCount: BATCH_KEYS,
      offsets: this.#offsets,
      weights: this.#weights,
      out: arena.allocate(BAGS * dim * 4),
      counts: arena.allocate(BAGS * 4),
      denominators: arena.allocate(BAGS * 4),
      outcomes: arena.allocate(BATCH_KEYS),
      scratch: arena.allocate(SCRATCH_BYTES),
    };
    writePoolCall(arena.u32, call, shard, bags, {
      mode: mode === 'weighted sum' ? 'sum' : mode,
      partial: false,
      touch: rows * shard.rowBytes > CACHED_BYTES,
      padding: undefined,
      missing: 'error',
      begin: 0,
      end: BAGS,
      firstKey: 0,
    });
    return call;
  }

  results(call: number): Float32Array {
    const out = this.#arena.u32[(call + CALL_OUT) / 4] / 4;
    return this.#arena.f32.subarray(out, out + BAGS * this.shape.dim);
  }
}
