#pragma once
#include <cstdint>

namespace pooling {

/** One batch, as the call block of layout.ts describes it. Keys are u32 and known to be valid. */
struct Batch {
  const uint8_t* table;
  uint32_t dim, dtype, mode;
  const uint32_t* keys;
  const uint32_t* offsets;
  const float* weights;
  float* out;
  uint32_t bags;
};

Batch read_call(uint8_t* memory, uint32_t call);

enum class Prefetch { none, t0, t1 };

/** Intrinsics with the given prefetch, `distance` rows ahead. @returns false where there is no such kernel */
bool pool(const Batch& batch, Prefetch prefetch, uint32_t distance);

/** Plain loops: sum of f32 rows. */
void pool_plain(const Batch& batch);

}  // namespace pooling
