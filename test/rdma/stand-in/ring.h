#pragma once
#include <cstdint>

namespace stand_in {

/// Slots of a ring for so many entries: a power of two, so that positions may wrap around.
inline uint32_t slotsFor(uint32_t depth) {
  uint32_t slots = 1;
  while (slots < depth) slots *= 2;
  return slots;
}

} // namespace stand_in
