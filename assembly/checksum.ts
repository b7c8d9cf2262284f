// The checksum of a frame: Fletcher's two sums over its u32 words, in four columns of u64 each, mixed to 32 bits at the
// end. A changed word changes the first sum of its column. Two changes that cancel each other there, or two words that
// change places, change the second one, which weighs words by their distance from the end. What differs is mixed to the
// same 32 bits once in 2^32. It takes two additions a word and no table, which keeps up with memory; CRC-32C, which has
// no instruction in WebAssembly, does not.

import { CHECKSUM_BLOCK_BYTES } from '../src/kernel/layout';
import { FRAME_CHECKSUM, HEADER_BYTES } from '../src/wire/layout';

// The sums: columns 0 and 2, then 1 and 3 of the first, then of the second. A block that is filled up with zeros follows.
const FIRST_13: usize = 16;
const SECOND_02: usize = 32;
const SECOND_13: usize = 48;
const LAST_BLOCK: usize = 64;

@inline function low(words: v128): v128 { return v128.and(words, i64x2.splat(0xffffffff)); }
@inline function high(words: v128): v128 { return i64x2.shr_u(words, 32); }

/** Adds whole blocks from `data` to `end`. */
function addBlocks(sums: usize, data: usize, end: usize): void {
  let first02 = v128.load(sums), first13 = v128.load(sums, FIRST_13);
  let second02 = v128.load(sums, SECOND_02), second13 = v128.load(sums, SECOND_13);
  for (; data < end; data += CHECKSUM_BLOCK_BYTES) {
    const a = v128.load(data), b = v128.load(data, 16), c = v128.load(data, 32), d = v128.load(data, 48);
    first02 = i64x2.add(first02, low(a));
    first13 = i64x2.add(first13, high(a));
    second02 = i64x2.add(second02, first02);
    second13 = i64x2.add(second13, first13);
    first02 = i64x2.add(first02, low(b));
    first13 = i64x2.add(first13, high(b));
    second02 = i64x2.add(second02, first02);
    second13 = i64x2.add(second13, first13);
    first02 = i64x2.add(first02, low(c));
    first13 = i64x2.add(first13, high(c));
    second02 = i64x2.add(second02, first02);
    second13 = i64x2.add(second13, first13);
    first02 = i64x2.add(first02, low(d));
    first13 = i64x2.add(first13, high(d));
    second02 = i64x2.add(second02, first02);
    second13 = i64x2.add(second13, first13);
  }
  v128.store(sums, first02);
  v128.store(sums, first13, FIRST_13);
  v128.store(sums, second02, SECOND_02);
  v128.store(sums, second13, SECOND_13);
}

/**
 * Adds the `bytes` bytes (a multiple of 4) from `data` on. What is no multiple of CHECKSUM_BLOCK_BYTES is filled up with
 * zeros, so only the last piece of a frame's body may be none.
 * @param sums CHECKSUM_BYTES, 0 at the start
 */
export function checksumAdd(sums: usize, data: usize, bytes: u32): void {
  const whole = data + <usize>(bytes & ~(CHECKSUM_BLOCK_BYTES - 1)), left = data + bytes - whole;
  addBlocks(sums, data, whole);
  if (!left) return;
  const block = sums + LAST_BLOCK;
  memory.fill(block, 0, CHECKSUM_BLOCK_BYTES);
  memory.copy(block, whole, left);
  addBlocks(sums, block, block + CHECKSUM_BLOCK_BYTES);
}

/** Adds the header, last because it is written last, with its checksum as 0. @returns the checksum */
export function checksumEnd(sums: usize, header: usize): u32 {
  checksumAdd(sums, header, HEADER_BYTES);
  // The last word of the header was added once to either sum of column 3.
  const written = <u64>load<u32>(header, FRAME_CHECKSUM);
  store<u64>(sums, load<u64>(sums, FIRST_13 + 8) - written, FIRST_13 + 8);
  store<u64>(sums, load<u64>(sums, SECOND_13 + 8) - written, SECOND_13 + 8);
  // The rounds and the end of MurmurHash3: each is a bijection, so that no single word of the sums is lost.
  let mixed: u32 = 0;
  for (let i: usize = 0; i < LAST_BLOCK; i += 4) mixed = rotl(mixed ^ load<u32>(sums + i), 13) * 5 + 0xe6546b64;
  mixed = (mixed ^ (mixed >> 16)) * 0x85ebca6b;
  mixed = (mixed ^ (mixed >> 13)) * 0xc2b2ae35;
  return mixed ^ (mixed >> 16);
}
