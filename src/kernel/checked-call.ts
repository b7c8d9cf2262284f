// Writes call blocks, with checks, as the package exports them. A wrong number would make a kernel access other memory.
import * as v from 'valibot';
import { check, checkFields, integer, oneOf, options, type Schema, typedArray } from '../check.ts';
import type { BagBuffers, MergeBuffers, PoolOptions, ShardRows } from './call.ts';
import * as call from './call.ts';
import { CALL_BYTES, MERGE_BYTES } from './layout.ts';
import { anyDim, anyDtype, anyMode } from './schemas.ts';

const u32 = integer(0, 0xffff_ffff);

const shardRows: Schema<ShardRows> = options({
  address: u32,
  rows: u32,
  rowBase: u32,
  tableRows: u32,
  rowBytes: u32,
  dim: anyDim,
  dtype: anyDtype,
  finite: v.boolean(),
  defaultRow: u32,
  last: v.boolean(),
});

const bagBuffers: Schema<BagBuffers> = options({
  keys: u32,
  keyBytes: v.picklist([4, 8], '4 or 8'),
  keyCount: u32,
  offsets: u32,
  weights: u32,
  out: u32,
  counts: u32,
  denominators: u32,
  outcomes: u32,
  scratch: u32,
});

const poolOptions: Schema<PoolOptions> = options({
  mode: anyMode,
  partial: v.boolean(),
  touch: v.boolean(),
  padding: v.optional(u32),
  missing: oneOf(['error', 'skip', 'default']),
  begin: u32,
  end: u32,
  firstKey: u32,
}) as Schema<PoolOptions>;

const mergeBuffers: Schema<MergeBuffers> = options({
  partials: u32,
  counts: u32,
  denominators: u32,
  bagNumbers: u32,
  out: u32,
  outCounts: u32,
  outDenominators: u32,
});

const mergeShape = options({ bags: u32, dim: anyDim, mode: anyMode });

/** Checks that a block of `bytes` bytes fits at an address. @throws INVALID_OPTION */
function checkBlock(words: Uint32Array, address: number, bytes: number): void {
  check(typedArray<Uint32Array>('Uint32Array'), words, 'words');
  const holds = (value: number): boolean => value % 4 === 0 && value + bytes <= words.byteLength;
  const wanted = `a multiple of 4 with ${bytes} bytes of memory from there on`;
  check(v.pipe(u32, v.check(holds, wanted)), address, 'address');
}

/** Writes a pool or gather block of CALL_BYTES at `address`. @throws INVALID_OPTION */
export function writePoolCall(
  words: Uint32Array,
  address: number,
  shard: ShardRows,
  bags: BagBuffers,
  how: PoolOptions,
): void {
  checkBlock(words, address, CALL_BYTES);
  check(shardRows, shard, 'shard');
  check(bagBuffers, bags, 'bags');
  checkFields(poolOptions, how);
  call.writePoolCall(words, address, shard, bags, how);
}

/** Writes a block for merge or divide, of MERGE_BYTES, at `address`. @throws INVALID_OPTION */
export function writeMergeCall(
  words: Uint32Array,
  address: number,
  shape: { readonly bags: number; readonly dim: number; readonly mode: PoolOptions['mode'] },
  buffers: MergeBuffers,
): void {
  checkBlock(words, address, MERGE_BYTES);
  check(mergeShape, shape, 'shape');
  check(mergeBuffers, buffers, 'buffers');
  call.writeMergeCall(words, address, shape, buffers);
}
