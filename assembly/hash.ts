/** Finaliser of MurmurHash3: every bit of the key reaches every bit of the hash. */
@inline export function hash(key: u64): u64 {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccd;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53;
  return key ^ (key >> 33);
}

/**
 * keys u64 [count] → hashes u32 [count]. The hash of a key decides which shard of an indexed table holds it. It is the
 * low word, because the index inside the shard finds its buckets by the high word.
 */
export function shardHashes(keys: usize, hashes: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) store<u32>(hashes + (i << 2), <u32>hash(load<u64>(keys + (i << 3))));
}

/** 32 bits of a hash as a place among so many. A larger hash has no earlier place. */
@inline export function share(bits: u32, count: u32): u32 { return <u32>((<u64>bits * <u64>count) >> 32); }
