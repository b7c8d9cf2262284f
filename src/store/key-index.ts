import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/layout.ts';
import type { Key } from '../plan/table-spec.ts';
import type { Extent } from './arena.ts';

/** The value of the padding id in an index. It is not the number of a row: a table has at most 2^32 − 2 rows. */
export const paddingSlot = 0xfffffffe;

const chunkIds = 65_536;

/** Bytes of an index of `ids` ids. Its load is low enough to keep its chains short. */
export function indexBytes(ids: number): number {
  return layout.INDEX_HEADER_BYTES + bucketsFor(ids) * layout.BUCKET_BYTES;
}

function bucketsFor(ids: number): number {
  // One more id than rows, because the padding id need not be the id of a row.
  return Math.ceil((ids + 1) / 3) + 1;
}

/** The ids of an indexed table: u64 → row, in one arena. */
export class KeyIndex {
  readonly extent: Extent;

  /**
   * Builds the index of ids[row] → row in `extent`. @param spare ids for which it has space besides
   * @throws INVALID_TABLE if an id occurs twice
   */
  constructor(
    extent: Extent,
    table: string,
    ids: BigUint64Array | BigInt64Array,
    padding: Key | undefined,
    spare = 0,
  ) {
    this.extent = extent;
    extent.arena.kernels.indexClear(extent.address, bucketsFor(ids.length + spare));
    for (let first = 0; first < ids.length; first += chunkIds) {
      this.#insert(ids.subarray(first, first + chunkIds), (i) => first + i);
    }
    const held = extent.arena.words[(extent.address + layout.INDEX_COUNT) >>> 2];
    if (held !== ids.length) throw twice(table, ids);
    if (padding !== undefined)
      this.#insert(BigUint64Array.of(BigInt.asUintN(64, BigInt(padding))), () => paddingSlot);
  }

  #insert(ids: BigUint64Array | BigInt64Array, slotOf: (i: number) => number): void {
    this.#withSlot(ids, (keys, slots, scratch) => {
      const { arena, address } = this.extent;
      for (let i = 0; i < ids.length; i++) arena.words[(slots >>> 2) + i] = slotOf(i);
      arena.kernels.indexInsert(address, keys, slots, ids.length, scratch);
    });
  }

  /** The rows of `ids`: layout.NONE if an id has no row, `paddingSlot` for the padding id. @throws OUT_OF_MEMORY */
  find(ids: BigUint64Array | BigInt64Array): Uint32Array {
    const rows = new Uint32Array(ids.length);
    for (let first = 0; first < ids.length; first += chunkIds) {
      const chunk = ids.subarray(first, first + chunkIds);
      this.#withSlot(chunk, (keys, slots, scratch) => {
        const { arena, address } = this.extent;
        arena.kernels.indexFind(address, keys, slots, chunk.length, scratch);
        rows.set(arena.words.subarray(slots >>> 2, (slots >>> 2) + chunk.length), first);
      });
    }
    return rows;
  }

  #withSlot(
    ids: BigUint64Array | BigInt64Array,
    work: (keys: number, slots: number, scratch: number) => void,
  ): void {
    const { arena } = this.extent;
    const bytes = ids.length * 12 + layout.INDEX_SCRATCH_BYTES;
    const keys = arena.slots.allocate(bytes);
    if (keys === undefined) throw noSlot(bytes, arena.slots.largest);
    arena.bytes.set(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength), keys);
    work(keys, keys + ids.length * 8, keys + ids.length * 12);
    arena.slots.free(keys, bytes);
  }
}

function twice(table: string, ids: BigUint64Array | BigInt64Array): FlexemrError {
  const seen = new Set<bigint>();
  const position = ids.findIndex((id) => seen.size === seen.add(id).size);
  return new FlexemrError(
    'INVALID_TABLE',
    `table ${table}: ids[${position}] = ${ids[position]} occurs twice`,
    {
      field: 'ids',
      position,
      value: ids[position],
    },
  );
}

/** The error of a lookup that cannot allocate space for its keys and results. @param free bytes of the largest gap */
export function noSlot(bytes: number, free: number): FlexemrError {
  return new FlexemrError(
    'OUT_OF_MEMORY',
    `a lookup needs ${bytes} bytes of slots, but only ${free} are free; split the batch, or open the tables with a larger slotBytes`,
    { field: 'slotBytes', value: bytes },
  );
}
