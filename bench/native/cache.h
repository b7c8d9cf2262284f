#pragma once
#include <cstdint>

/** The cache of a ranker in C++: the same bytes (src/kernel/cache-layout.ts), the same hash, the same work, with prefetch. */
namespace cache {
/** Writes where in the log the entry of each bag of a lookup's feature is, in units of 16 bytes, + 1; 0: there is none. */
void find(uint8_t* memory, uint32_t block, uint32_t* places);
/** Does the stage of `ask` that looks for the bags of a feature in the cache. */
void probe(uint8_t* memory, uint32_t block);
}  // namespace cache
