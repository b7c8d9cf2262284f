// The memory that holds results while they are read. Its layout is that of the canonical ABI: a discriminant, then the
// result or an error.
import { give } from './memory';

/** Error codes of wasm/flexemr.wit, in its order. FINE: no error. */
export const INVALID_KEY = 0, INVALID_OFFSETS = 1, INVALID_WEIGHTS = 2, INVALID_BAGS = 3, INVALID_TABLE = 4;
export const INVALID_OPTION = 5, LIMIT_EXCEEDED = 6;
export const FINE = 255;

export const RESULT = memory.data(64, 16);

// Offsets of the lists of a `pooled`: address and length of each. Before each list except VALUES, a word says whether
// there is one. After the lists, PARTIAL says whether it is a partial.
export const VALUES: usize = 0, COUNTS: usize = 12, DENOMINATORS: usize = 24, OUTCOMES: usize = 36;
const PARTIAL: usize = 44;
export const POOLED_BYTES: usize = 48;

export function failed(code: u32, position: u32): usize {
  store<u8>(RESULT, 1);
  store<u8>(RESULT, <u8>code, 4);
  store<u32>(RESULT, position, 8);
  return RESULT;
}

export function done(): usize {
  store<u8>(RESULT, 0);
  return RESULT;
}

/** A `pooled` begins after the discriminant of a result. */
export const POOLED = RESULT + 4;

export function setList(list: usize, address: usize, length: u32): void {
  store<u32>(POOLED + list, address);
  store<u32>(POOLED + list, length, 4);
}

/** Sets one of the optional lists. Address 0: there is no list. */
export function setOption(list: usize, address: usize, length: u32): void {
  store<u32>(POOLED + list - 4, u32(address != 0));
  setList(list, address, length);
}

export function setPartial(partial: bool): void { store<u8>(POOLED, u8(partial), PARTIAL); }

@inline export function isPartial(pooled: usize): bool { return load<u8>(pooled, PARTIAL) != 0; }
@inline export function addressOf(pooled: usize, list: usize): usize { return load<u32>(pooled + list); }
@inline export function lengthOf(pooled: usize, list: usize): usize { return load<u32>(pooled + list, 4); }
@inline export function hasList(pooled: usize, list: usize): bool { return load<u8>(pooled + list - 4) != 0; }

/** Frees all lists of a `pooled`. */
export function freeLists(pooled: usize): void {
  give(addressOf(pooled, VALUES), lengthOf(pooled, VALUES) << 2);
  if (hasList(pooled, COUNTS)) give(addressOf(pooled, COUNTS), lengthOf(pooled, COUNTS) << 2);
  if (hasList(pooled, DENOMINATORS)) give(addressOf(pooled, DENOMINATORS), lengthOf(pooled, DENOMINATORS) << 2);
  if (hasList(pooled, OUTCOMES)) give(addressOf(pooled, OUTCOMES), lengthOf(pooled, OUTCOMES));
}

export function freePooled(result: usize): void { if (load<u8>(result) == 0) freeLists(result + 4); }

export function freeFloats(result: usize): void {
  if (load<u8>(result) == 0) give(addressOf(result + 4, VALUES), lengthOf(result + 4, VALUES) << 2);
}
