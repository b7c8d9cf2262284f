// One vector type for the bars: sixteen lanes where the machine has AVX-512, eight where it has AVX2.
#pragma once
#include <immintrin.h>
#include <cstdint>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#define BARS_ISA "AVX-512"
using Vector = __m512;
constexpr int LANES = 16;
/** Accumulators of one pass over a bag: a row of 256 columns stays in registers. */
constexpr int ACCUMULATORS = 16;

inline Vector splat(float x) { return _mm512_set1_ps(x); }
inline Vector splat_first(__m128 x) { return _mm512_broadcastss_ps(x); }
inline Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector larger(Vector a, Vector b) { return _mm512_max_ps(a, b); }
inline Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
inline Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
inline void store(float* to, Vector x) { _mm512_storeu_ps(to, x); }
inline Vector load_floats(const uint8_t* p) { return _mm512_loadu_ps(p); }
inline Vector load_halves(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline Vector load_bytes(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
/**
 * Sixteen nibbles, in the order 0 8 1 9 … 7 15: broadcast as qwords they need no shuffle, and vpermps, which looks
 * at the low four bits only, masks and converts in one. `order_nibbles` sorts the columns, once a bag.
 */
inline Vector load_nibbles(const uint8_t* p) {
  const __m512i shifts = _mm512_set_epi32(28, 28, 24, 24, 20, 20, 16, 16, 12, 12, 8, 8, 4, 4, 0, 0);
  const Vector values = _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i all = _mm512_set1_epi64(*(const int64_t*)p);
  return _mm512_permutexvar_ps(_mm512_srlv_epi32(all, shifts), values);
}
inline Vector order_nibbles(Vector x) {
  return _mm512_permutexvar_ps(_mm512_set_epi32(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0), x);
}

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#define BARS_ISA "AVX2"
using Vector = __m256;
constexpr int LANES = 8;
/** Accumulators of one pass over a bag: half of the sixteen registers; wider rows take several passes. */
constexpr int ACCUMULATORS = 8;

inline Vector splat(float x) { return _mm256_set1_ps(x); }
inline Vector splat_first(__m128 x) { return _mm256_broadcastss_ps(x); }
inline Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector larger(Vector a, Vector b) { return _mm256_max_ps(a, b); }
inline Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
inline Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
inline void store(float* to, Vector x) { _mm256_storeu_ps(to, x); }
inline Vector load_floats(const uint8_t* p) { return _mm256_loadu_ps((const float*)p); }
inline Vector load_halves(const uint8_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
inline Vector load_bytes(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)));
}
inline Vector load_nibbles(const uint8_t* p) {
  const __m256i shifted = _mm256_srlv_epi32(_mm256_set1_epi32(*(const int32_t*)p), _mm256_set_epi32(28, 24, 20, 16, 12, 8, 4, 0));
  return _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(15)));
}
inline Vector order_nibbles(Vector x) { return x; }

#else
#error "the bars need AVX-512 or AVX2 with FMA and F16C"
#endif
