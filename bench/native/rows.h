// Row formats of the bars. A quantised row hands out its raw values and, as the first two lanes of one vector,
// its scale and bias.
#pragma once
#include "vector.h"

namespace rows {

struct F32 {
  static constexpr bool quantised = false, scrambled = false;
  static constexpr int bytes(int columns) { return columns * 4; }
  static Vector load(const uint8_t* row, int column) { return load_floats(row + column * 4); }
};

struct F16 {
  static constexpr bool quantised = false, scrambled = false;
  static constexpr int bytes(int columns) { return columns * 2; }
  static Vector load(const uint8_t* row, int column) { return load_halves(row + column * 2); }
};

struct Int8 {
  static constexpr bool quantised = true, scrambled = false;
  static constexpr int bytes(int columns) { return columns + 8; }
  static Vector load(const uint8_t* row, int column) { return load_bytes(row + column); }
  static __m128 scale_bias(const uint8_t* row, int columns) {
    return _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)(row + columns)));
  }
};

struct Int4 {
  static constexpr bool quantised = true, scrambled = true;
  static constexpr int bytes(int columns) { return columns / 2 + 4; }
  static Vector load(const uint8_t* row, int column) { return load_nibbles(row + column / 2); }
  static __m128 scale_bias(const uint8_t* row, int columns) {
    return _mm_cvtph_ps(_mm_cvtsi32_si128(*(const int32_t*)(row + columns / 2)));
  }
};

}  // namespace rows
