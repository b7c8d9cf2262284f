// Arrays of u32 or u64, whose lengths are multiples of 4 bytes.

import { hash } from './hash';

/** A hash of all bytes. @param sum what it begins with */
export function hashOfWords(sum: u64, at: usize, bytes: usize): u64 {
  const end = at + bytes;
  for (; at + 8 <= end; at += 8) sum = hash(sum ^ load<u64>(at));
  return at < end ? hash(sum ^ load<u32>(at)) : hash(sum);
}

/** Whether two arrays of the same length have the same bytes. */
export function isSame(one: usize, other: usize, bytes: usize): bool {
  const end = one + bytes;
  for (; one + 8 <= end; one += 8, other += 8) if (load<u64>(one) != load<u64>(other)) return false;
  return one == end || load<u32>(one) == load<u32>(other);
}
