/** Finaliser of MurmurHash3: every bit of the key reaches every bit of the hash. */
@inline export function hash(key: u64): u64 {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccd;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53;
  return key ^ (key >> 33);
}
