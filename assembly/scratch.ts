// What a call stores about a group: addresses of the rows kept, their weights, their scales and biases as f32 pairs,
// and how many rows are kept before each key; then constants of the folds.

import { CALL_SCRATCH, GROUP_KEYS } from '../src/kernel/layout';
import { isInt8 } from './rows';

const GROUP_WEIGHTS = GROUP_KEYS * 4;
const GROUP_TAILS = GROUP_KEYS * 8;
const GROUP_KEPT = GROUP_KEYS * 16;
const GROUP_CONSTANTS = GROUP_KEYS * 20 + 16;

@inline export function groupOf(call: usize): usize { return load<u32>(call, CALL_SCRATCH); }
@inline export function rowsOf(group: usize, index: usize): usize { return group + (index << 2); }
@inline export function weightsOf(group: usize): usize { return group + GROUP_WEIGHTS; }
@inline export function tailsOf(group: usize, index: usize): usize { return group + GROUP_TAILS + (index << 3); }
@inline export function keptAt(group: usize, index: u32): usize { return group + GROUP_KEPT + (<usize>index << 2); }
@inline export function keptBefore(group: usize, index: u32): u32 { return load<u32>(keptAt(group, index)); }

/** 0x8fff in every i16 lane: see decodeHalves. */
@inline export function signBits(group: usize): v128 { return v128.load32_splat(group + GROUP_CONSTANTS); }
/** 0x0f in every byte. */
@inline export function nibbleBits(group: usize): v128 { return v128.load32_splat(group + GROUP_CONSTANTS, 4); }
/** The first column of every 32-bit lane. */
@inline export function laneBits<D>(group: usize): v128 {
  return isInt8<D>() ? v128.load32_splat(group + GROUP_CONSTANTS, 8) : v128.load32_splat(group + GROUP_CONSTANTS, 12);
}
/** 0xf0 in the first byte of every 32-bit lane. */
@inline export function highNibbleBits(group: usize): v128 { return v128.load32_splat(group + GROUP_CONSTANTS, 16); }

/** Prepares the scratch of a call. */
export function openScratch(call: usize): void {
  store<u32>(groupOf(call) + GROUP_CONSTANTS, 0x8fff8fff);
  store<u32>(groupOf(call) + GROUP_CONSTANTS, 0x0f0f0f0f, 4);
  store<u32>(groupOf(call) + GROUP_CONSTANTS, 0xff, 8);
  store<u32>(groupOf(call) + GROUP_CONSTANTS, 0x0f, 12);
  store<u32>(groupOf(call) + GROUP_CONSTANTS, 0xf0, 16);
}
