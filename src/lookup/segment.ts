import { type PoolOptions, writeMergeCall, writePoolCall } from '../kernel/call.ts';
import * as layout from '../kernel/layout.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { untouchedBytesMax } from '../limits.ts';
import type { CheckedBags } from '../plan/checked-bags.ts';
import type { Arena } from '../store/arena.ts';
import { roundUp } from '../store/free-list.ts';
import { noSlot } from '../store/key-index.ts';
import type { Shard } from '../store/table.ts';

/** The input of a segment: bags with rows in place of ids, and the number of result vectors. */
export interface SegmentInput extends CheckedBags {
  readonly vectors: number;
  readonly dim: number;
  /** Whether it merges the partials of other shards; it then needs space for the partials of one other shard. */
  readonly merges: boolean;
}

/** A slot in the arena of one shard. It holds a feature's bags, their results, and the kernel calls that make them. */
export class Segment {
  readonly shard: Shard;
  readonly calls: readonly number[];
  readonly #input: SegmentInput;
  readonly #slot: number;
  readonly #slotBytes: number;
  readonly #counts: number;
  readonly #denominators: number;
  readonly #outcomes: number;
  readonly #out: number;

  /** @param parts the options of each call @throws OUT_OF_MEMORY */
  constructor(shard: Shard, input: SegmentInput, parts: readonly PoolOptions[]) {
    const { arena } = shard;
    const { keys, offsets, weights, vectors, dim, merges } = input;
    const partials = merges ? 2 : 1;
    const inputBytes = [keys.byteLength, offsets.byteLength, weights?.byteLength ?? 0];
    const resultBytes = [
      keys.length,
      partials * vectors * 4,
      partials * vectors * 4,
      partials * vectors * dim * 4,
    ];
    const callBytes = parts.flatMap(() => [layout.CALL_BYTES, layout.SCRATCH_BYTES]);
    const sizes = [...inputBytes, ...resultBytes, ...callBytes];
    this.shard = shard;
    this.#input = input;
    this.#slotBytes = sizes.reduce((sum, bytes) => sum + roundUp(bytes), 0);
    const slot = arena.slots.allocate(this.#slotBytes);
    if (slot === undefined) throw noSlot(this.#slotBytes, arena.slots.largest);
    this.#slot = slot;
    let next = slot;
    const places = sizes.map((bytes) => {
      const place = next;
      next += roundUp(bytes);
      return place;
    });
    const [keysAt, offsetsAt, weightsAt, outcomes, counts, denominators, out, ...callPlaces] = places;
    this.#outcomes = outcomes;
    this.#counts = counts;
    this.#denominators = denominators;
    this.#out = out;
    copyIn(arena, keysAt, keys);
    copyIn(arena, offsetsAt, offsets);
    if (weights) copyIn(arena, weightsAt, weights);
    arena.bytes.fill(0, outcomes, outcomes + keys.length);
    const buffers = {
      keys: keysAt,
      keyBytes: keys.BYTES_PER_ELEMENT as 4 | 8,
      keyCount: keys.length,
      offsets: offsetsAt,
      weights: weights ? weightsAt : 0,
      outcomes,
      counts,
      denominators,
      out,
    };
    this.calls = parts.map((options, part) => {
      const [address, scratch] = callPlaces.slice(2 * part);
      writePoolCall(arena.words, address, shard.rows, { ...buffers, scratch }, options);
      return address;
    });
  }

  /** Whether rows should be touched before they are folded. Small shards need not, because they stay in the cache. */
  static touches(shard: Shard): boolean {
    return shard.bytes > untouchedBytesMax;
  }

  /** f32 [vectors, dim] */
  get values(): Float32Array {
    const { vectors, dim } = this.#input;
    return new Float32Array(this.shard.arena.memory.buffer, this.#out, vectors * dim);
  }

  /** u32 [vectors] */
  get counts(): Uint32Array {
    return new Uint32Array(this.shard.arena.memory.buffer, this.#counts, this.#input.vectors);
  }

  /** u8 [keys]: OUTCOME_*; undefined if every key was simply pooled. */
  get outcomes(): Uint8Array | undefined {
    const { words, bytes } = this.shard.arena;
    if (this.calls.every((call) => words[(call + layout.CALL_EXCEPTIONS) >>> 2] === 0)) return undefined;
    return bytes.subarray(this.#outcomes, this.#outcomes + this.#input.keys.length);
  }

  /** Merges the partials of the other shards, in order, and divides. */
  merge(mode: PoolingMode, others: readonly Segment[]): void {
    const { arena } = this.shard;
    const { vectors, dim, weights } = this.#input;
    const [countBytes, bytes] = [vectors * 4, vectors * dim * 4];
    const block = this.calls[0];
    const buffers = {
      partials: this.#out + bytes,
      counts: this.#counts + countBytes,
      denominators: weights ? this.#denominators + countBytes : 0,
      bagNumbers: 0,
      out: this.#out,
      outCounts: this.#counts,
      outDenominators: weights ? this.#denominators : 0,
    };
    writeMergeCall(arena.words, block, { bags: vectors, dim, mode }, buffers);
    for (const other of others) {
      const theirs = other.shard.arena.bytes;
      arena.bytes.set(theirs.subarray(other.#out, other.#out + bytes), buffers.partials);
      arena.bytes.set(theirs.subarray(other.#counts, other.#counts + countBytes), buffers.counts);
      if (weights) {
        const begin = other.#denominators;
        arena.bytes.set(theirs.subarray(begin, begin + countBytes), buffers.denominators);
      }
      arena.kernels.merge(block);
    }
    arena.kernels.divide(block);
  }

  /** Frees the slot. */
  close(): void {
    this.shard.arena.slots.free(this.#slot, this.#slotBytes);
  }
}

function copyIn(arena: Arena, address: number, data: ArrayBufferView): void {
  arena.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
}
