// The de-duplication bar: hash and prefetch a chunk, then probe it.
#include "dedupe.h"

#include <immintrin.h>

#include <algorithm>

#include "hash.h"

namespace {
constexpr size_t CHUNK = 128;
/** Entries a key: sparser than any allocator would like, and the fastest of 2 and 4. Nothing is cleared, so it is cheap. */
constexpr size_t SPARSITY = 4;
}

Dedupe::Dedupe(size_t capacity) {
  size_t size = 64;
  while (size < capacity * SPARSITY) size *= 2;
  mask_ = size - 1;
  table_.resize(size);
}

void Dedupe::next_generation() {
  generation_ += 1u << POSITION_BITS;
  if (generation_) return;
  std::fill(table_.begin(), table_.end(), 0);
  generation_ = 1u << POSITION_BITS;
}

size_t Dedupe::run(const uint64_t* keys, size_t n, uint64_t* unique, uint32_t* inverse) {
  constexpr uint32_t position_mask = (1u << POSITION_BITS) - 1;
  next_generation();
  uint32_t at[CHUNK];
  uint32_t found = 0;
  for (size_t start = 0; start < n; start += CHUNK) {
    const size_t count = std::min(CHUNK, n - start);
    for (size_t i = 0; i < count; i++) {
      at[i] = hash_key(keys[start + i]) & mask_;
      _mm_prefetch(&table_[at[i]], _MM_HINT_T0);
    }
    for (size_t i = 0; i < count; i++) {
      const uint64_t key = keys[start + i];
      for (uint32_t slot = at[i];; slot = (slot + 1) & mask_) {
        const uint32_t entry = table_[slot], position = entry & position_mask;
        if ((entry & ~position_mask) != generation_) {
          table_[slot] = generation_ | found;
          unique[found] = key;
          inverse[start + i] = found++;
          break;
        }
        if (unique[position] == key) {
          inverse[start + i] = position;
          break;
        }
      }
    }
  }
  return found;
}
