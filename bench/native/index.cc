// The index bar: batched find with software prefetch.
#include "index.h"

#include <immintrin.h>

#include <algorithm>

#include "hash.h"

namespace {
constexpr uint32_t NONE = 0xffffffff;
/** Keys whose buckets are on their way at once: 128 … 1024 are alike. */
constexpr size_t CHUNK = 512;
/** And in `find_rolling`: the best of 8 … 64. */
constexpr size_t AHEAD = 48;
}  // namespace

Index::Index(size_t capacity) : count_(std::max<size_t>(1, capacity * 10 / (6 * WIDTH))), buckets_(new Bucket[count_]()) {}

uint32_t Index::bucket_of(uint64_t key) const { return ((hash_key(key) >> 32) * count_) >> 32; }

void Index::insert(const uint64_t* keys, const uint32_t* slots, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t at = bucket_of(keys[i]);
    for (; buckets_[at].held == WIDTH; at = at + 1 == count_ ? 0 : at + 1) buckets_[at].passed++;
    Bucket& bucket = buckets_[at];
    bucket.keys[bucket.held] = keys[i];
    bucket.slots[bucket.held++] = slots[i];
  }
}

/** Which of the bucket's places hold the key, a bit each. */
inline uint32_t Index::places_of(const Bucket& bucket, uint64_t key) {
#ifdef __AVX512F__
  const uint32_t equal = _mm512_cmpeq_epi64_mask(_mm512_load_si512(&bucket), _mm512_set1_epi64(key));
#else
  const __m256i four = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i*)&bucket), _mm256_set1_epi64x(key));
  const uint32_t equal = _mm256_movemask_pd(_mm256_castsi256_pd(four)) | (uint32_t)(bucket.keys[4] == key) << 4;
#endif
  return equal & ((1u << bucket.held) - 1);
}

/** No branch on where the key is, which cannot be predicted. Most are found, so a branch on whether costs less than it saves. */
inline uint32_t Index::find_in(const Bucket& bucket, uint64_t key) {
  const uint32_t places = places_of(bucket, key);
  return places ? bucket.slots[__builtin_ctz(places)] : NONE;
}

uint32_t Index::find_after(uint32_t at, uint64_t key) const {
  while (buckets_[at].passed) {
    at = at + 1 == count_ ? 0 : at + 1;
    const uint32_t slot = find_in(buckets_[at], key);
    if (slot != NONE) return slot;
  }
  return NONE;
}

inline uint32_t Index::find_from(uint32_t at, uint64_t key) const {
  const uint32_t slot = find_in(buckets_[at], key);
  return __builtin_expect((slot == NONE) & (buckets_[at].passed != 0), 0) ? find_after(at, key) : slot;
}

void Index::find(const uint64_t* keys, uint32_t* slots, size_t n) const {
  uint32_t at[CHUNK];
  for (size_t start = 0; start < n; start += CHUNK) {
    const size_t count = std::min(CHUNK, n - start);
    for (size_t i = 0; i < count; i++) {
      at[i] = bucket_of(keys[start + i]);
      _mm_prefetch(&buckets_[at[i]], _MM_HINT_T0);
    }
    for (size_t i = 0; i < count; i++) slots[start + i] = find_from(at[i], keys[start + i]);
  }
}

void Index::find_rolling(const uint64_t* keys, uint32_t* slots, size_t n) const {
  uint32_t at[CHUNK];
  for (size_t start = 0; start < n; start += CHUNK) {
    const size_t count = std::min(CHUNK, n - start);
    for (size_t i = 0; i < count; i++) at[i] = bucket_of(keys[start + i]);
    for (size_t i = 0; i < std::min(AHEAD, count); i++) _mm_prefetch(&buckets_[at[i]], _MM_HINT_T0);
    for (size_t i = 0; i < count; i++) {
      _mm_prefetch(&buckets_[at[std::min(i + AHEAD, count - 1)]], _MM_HINT_T0);
      slots[start + i] = find_from(at[i], keys[start + i]);
    }
  }
}
