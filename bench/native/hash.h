#pragma once
#include <cstdint>

/** MurmurHash3's fmix64: every bit of a key reaches every bit of its hash. */
inline uint64_t hash_key(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}
