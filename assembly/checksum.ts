// The checksum of a frame: sums of its words, mixed to 32 bits at the end (docs/wire.md). A block is 64 bytes. Each of
// its sixteen words has a sum of its own. The two halves of a word, as signed numbers, are multiplied by two weights,
// and both products are added to the sum. The weights change from block to block. All weights of one sum are odd and
// different for CHUNK blocks; after that, the sums are mixed in and start again. So any two flipped bits change a sum.
// Four sums without weights find any single word that changed. Different sums are mixed to the same 32 bits once in
// 2^32. 16 bytes take one load, one multiplication that adds pairs, two additions and no table, which is as fast as
// memory. CRC-32C is slower than memory, because WebAssembly has no instruction for it.

import { CHECKSUM_BLOCK_BYTES, CHECKSUM_BYTES } from '../src/kernel/layout';
import { HEADER_BYTES } from '../src/wire/layout';

// Offsets: sixteen sums with weights, four without, a block that is filled up with zeros, the number of blocks added,
// and what was mixed so far.
const PLAIN: usize = 64;
const LAST_BLOCK: usize = 80;
const BLOCKS: usize = 144;
const MIXED: usize = 148;

/** Blocks after which the weights repeat. There are 2 × CHUNK odd numbers of 15 bits, CHUNK for each half of a word. */
const CHUNK: u32 = 8192;

@inline function firstWeights(): v128 { return i16x8(1, 3, 1, 3, 1, 3, 1, 3); }
/** Multiples of 4, so that the weights of the halves stay 1 and 3 modulo 4; odd ones, so that all weights occur. */
@inline function weightSteps(): v128 { return i16x8(10124, 6548, 10124, 6548, 10124, 6548, 10124, 6548); }
@inline function wrapped(weights: v128): v128 { return v128.and(weights, i16x8.splat(0x7fff)); }

/** Adds whole blocks from `data` to `end`. */
function addBlocks(sums: usize, data: usize, end: usize): void {
  let blocks = load<u32>(sums, BLOCKS);
  while (data < end) {
    const left = CHUNK - (blocks & (CHUNK - 1)), count = min<u32>(left, <u32>(end - data) / CHECKSUM_BLOCK_BYTES);
    addChunk(sums, data, count, wrapped(i16x8.add(i16x8.mul(i16x8.splat(<i16>blocks), weightSteps()), firstWeights())));
    data += <usize>count * CHECKSUM_BLOCK_BYTES;
    blocks += count;
    if (count == left) mix(sums);
  }
  store<u32>(sums, blocks, BLOCKS);
}

function addChunk(sums: usize, data: usize, count: u32, weights: v128): void {
  let a = v128.load(sums), b = v128.load(sums, 16), c = v128.load(sums, 32), d = v128.load(sums, 48);
  let plain = v128.load(sums, PLAIN);
  for (; count; count--, data += CHECKSUM_BLOCK_BYTES) {
    const w = v128.load(data), x = v128.load(data, 16), y = v128.load(data, 32), z = v128.load(data, 48);
    a = i32x4.add(a, i32x4.dot_i16x8_s(w, weights));
    b = i32x4.add(b, i32x4.dot_i16x8_s(x, weights));
    c = i32x4.add(c, i32x4.dot_i16x8_s(y, weights));
    d = i32x4.add(d, i32x4.dot_i16x8_s(z, weights));
    plain = i32x4.add(plain, i32x4.add(i32x4.add(w, x), i32x4.add(y, z)));
    weights = wrapped(i16x8.add(weights, weightSteps()));
  }
  v128.store(sums, a);
  v128.store(sums, b, 16);
  v128.store(sums, c, 32);
  v128.store(sums, d, 48);
  v128.store(sums, plain, PLAIN);
}

@inline function clear(data: usize, end: usize): void {
  for (; data < end; data += 16) v128.store(data, i64x2.splat(0));
}

/** Mixes the sums in by rounds of MurmurHash3, each of which is a bijection, and sets the sums to 0. */
function mix(sums: usize): void {
  let mixed = load<u32>(sums, MIXED);
  for (let i: usize = 0; i < LAST_BLOCK; i += 4)
    mixed = rotl(mixed ^ load<u32>(sums + i), 13) * 5 + 0xe6546b64;
  store<u32>(sums, mixed, MIXED);
  clear(sums, sums + LAST_BLOCK);
}

/**
 * Adds the `bytes` bytes (a multiple of 4) from `data` on. An incomplete last block is filled up with zeros, so `bytes`
 * must be a multiple of CHECKSUM_BLOCK_BYTES, except for the last piece of a frame's body.
 * @param sums address of CHECKSUM_BYTES, which are 0 at the start
 */
export function checksumAdd(sums: usize, data: usize, bytes: u32): void {
  const whole = data + <usize>(bytes & ~(CHECKSUM_BLOCK_BYTES - 1)), left = data + bytes - whole;
  addBlocks(sums, data, whole);
  if (!left) return;
  const block = sums + LAST_BLOCK;
  clear(block, block + CHECKSUM_BLOCK_BYTES);
  for (let i: usize = 0; i < left; i += 4) store<u32>(block + i, load<u32>(whole + i));
  addBlocks(sums, block, block + CHECKSUM_BLOCK_BYTES);
}

/** Adds the header, which is written last. Its last word, the checksum, counts as 0. @returns the checksum */
export function checksumEnd(sums: usize, header: usize): u32 {
  checksumAdd(sums, header, HEADER_BYTES - 4);
  if (load<u32>(sums, BLOCKS) & (CHUNK - 1)) mix(sums);
  // The final steps of MurmurHash3.
  let mixed = load<u32>(sums, MIXED);
  mixed = (mixed ^ (mixed >> 16)) * 0x85ebca6b;
  mixed = (mixed ^ (mixed >> 13)) * 0xc2b2ae35;
  return mixed ^ (mixed >> 16);
}

/** The checksum of a whole frame. @param sums address of CHECKSUM_BYTES */
export function checksum(sums: usize, frame: usize, bytes: u32): u32 {
  clear(sums, sums + CHECKSUM_BYTES);
  checksumAdd(sums, frame + HEADER_BYTES, bytes - HEADER_BYTES);
  return checksumEnd(sums, frame);
}
