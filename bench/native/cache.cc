// The bar for the cache of a ranker.
#include "cache.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "hash.h"
#include "layout.h"

namespace {

using namespace layout;

/** Bags whose cache lines are on their way at once. 128 is the best of 32, 64, 128. */
constexpr uint32_t TOGETHER = 128;
constexpr uint32_t LINE = 64;

uint32_t& word(uint8_t* record, uint32_t field) { return *(uint32_t*)(record + field); }
uint64_t& wide(uint8_t* record, uint32_t field) { return *(uint64_t*)(record + field); }

uint64_t hash_words(uint64_t sum, const uint8_t* at, uint32_t bytes) {
  const uint8_t* end = at + bytes;
  for (; at + 8 <= end; at += 8) sum = hash_key(sum ^ *(const uint64_t*)at);
  return hash_key(at < end ? sum ^ *(const uint32_t*)at : sum);
}

/** The bits of a bag in its word of a filter. */
uint64_t bits_of(uint32_t tag) { return 1ull << (tag & 63) | 1ull << (tag >> 6 & 63) | 1ull << (tag >> 12 & 63); }

/** A bag that is looked for. */
struct Sought {
  uint64_t hash;
  uint8_t* bucket;
  uint8_t* entry;
  uint32_t low() const { return hash; }
  uint32_t tag() const { return hash >> 32; }
};

/** @tparam ONES whether all bags have one key of 4 bytes, and no weights */
template <bool ONES>
struct Probe {
  uint8_t *memory, *block, *feature, *cache, *buckets, *log, *seen;
  uint8_t *keys, *weights;
  const uint32_t* offsets;
  uint64_t seed, start;
  uint32_t bucket_count, seen_bytes, key_bytes, table, vector_bytes, bags;

  Probe(uint8_t* memory, uint32_t at) : memory(memory), block(memory + at) {
    feature = pointer(block, ASK_FEATURE_LIST) + word(block, ASK_FEATURE) * FEATURE_BYTES;
    cache = pointer(block, ASK_CACHE);
    buckets = pointer(cache, CACHE_BUCKETS);
    log = pointer(cache, CACHE_LOG);
    seen = pointer(cache, CACHE_SEEN);
    keys = pointer(feature, FEATURE_KEYS);
    weights = ONES || !word(feature, FEATURE_WEIGHTS) ? nullptr : pointer(feature, FEATURE_WEIGHTS);
    offsets = (const uint32_t*)pointer(feature, FEATURE_SENT_OFFSETS);
    seed = wide(cache, CACHE_SEED);
    bucket_count = word(cache, CACHE_BUCKET_COUNT);
    seen_bytes = word(cache, CACHE_SEEN_BLOCKS) * CACHE_SEEN_BLOCK_BYTES;
    key_bytes = ONES ? 4 : word(feature, FEATURE_KEY_BYTES);
    uint8_t* record = pointer(feature, FEATURE_TABLE);
    table = word(record, TABLE_NUMBER);
    vector_bytes = word(record, TABLE_DIM) * 4;
    bags = word(feature, FEATURE_SENT_BAGS);
    start = hash_key(seed ^ ((uint64_t)table << 32 | 4));
  }

  uint8_t* pointer(uint8_t* record, uint32_t field) const { return memory + word(record, field); }
  uint32_t* words(uint32_t field) const { return (uint32_t*)pointer(feature, field); }
  uint32_t length(uint32_t bag) const { return ONES ? 1 : offsets[bag + 1] - offsets[bag]; }
  uint32_t first_key(uint32_t bag) const { return ONES ? bag : offsets[bag]; }
  uint8_t* keys_of(uint32_t bag) const { return keys + (size_t)first_key(bag) * key_bytes; }
  uint8_t* weights_of(uint32_t bag) const { return weights ? weights + (size_t)offsets[bag] * 4 : nullptr; }
  bool is_cached(uint32_t bag) const { return length(bag) - 1 < CACHED_KEYS_MAX; }
  uint32_t vector_at(uint32_t bag) const {
    return (ENTRY_KEYS + length(bag) * (key_bytes + (weights ? 4 : 0)) + 15) & ~15;
  }

  uint64_t hash_of(uint32_t bag) const {
    if (ONES) return hash_key(start ^ word(keys_of(bag), 0));
    const uint32_t bytes = length(bag) * key_bytes;
    const uint64_t sum = hash_words(hash_key(seed ^ ((uint64_t)table << 32 | bytes)), keys_of(bag), bytes);
    return weights ? hash_words(~sum, weights_of(bag), length(bag) * 4) : sum;
  }
  uint8_t* seen_word(uint32_t low) const { return seen + ((uint64_t)low * (seen_bytes / 8) >> 32) * 8; }

  /** Which places of a bucket have a tag, a bit each. */
  static uint32_t places_of(const uint8_t* bucket, uint32_t tag) {
    const __m256i equal = _mm256_cmpeq_epi32(_mm256_load_si256((const __m256i*)bucket), _mm256_set1_epi32(tag));
    return _mm256_movemask_ps(_mm256_castsi256_ps(equal));
  }
  uint8_t* entry_at(uint8_t* bucket, uint32_t places) const {
    const uint32_t place = word(bucket, CACHE_BUCKET_PLACES + 4 * __builtin_ctz(places));
    return place ? log + (size_t)(place - 1) * 16 : nullptr;
  }

  bool is_of(uint8_t* entry, uint32_t bag) const {
    const uint32_t count = length(bag), bytes = count * key_bytes;
    if (word(entry, ENTRY_TABLE) != table || *(uint16_t*)(entry + ENTRY_KEY_COUNT) != count) return false;
    if (entry[ENTRY_KEY_BYTES] != key_bytes || entry[ENTRY_WEIGHTED] != (weights != nullptr)) return false;
    if (ONES) return word(entry, ENTRY_KEYS) == word(keys_of(bag), 0);
    if (!same(entry + ENTRY_KEYS, keys_of(bag), bytes)) return false;
    return !weights || same(entry + ENTRY_KEYS + bytes, weights_of(bag), count * 4);
  }
  static bool same(const uint8_t* one, const uint8_t* other, uint32_t bytes) {
    uint32_t at = 0;
    for (; at + 8 <= bytes; at += 8)
      if (*(const uint64_t*)(one + at) != *(const uint64_t*)(other + at)) return false;
    return at == bytes || *(const uint32_t*)(one + at) == *(const uint32_t*)(other + at);
  }

  /** Finds the entries of some bags. @tparam answers whether their vectors or their filters are needed next */
  template <bool answers>
  void find(uint32_t first, uint32_t end, Sought* sought) const {
    for (uint32_t bag = first; bag < end; bag++) {
      Sought& own = sought[bag - first];
      own.hash = is_cached(bag) ? hash_of(bag) : 0;
      own.bucket = buckets + ((uint64_t)own.low() * bucket_count >> 32) * CACHE_BUCKET_BYTES;
      _mm_prefetch(own.bucket, _MM_HINT_T0);
    }
    for (uint32_t bag = first; bag < end; bag++) {
      Sought& own = sought[bag - first];
      const uint32_t places = places_of(own.bucket, own.tag());
      own.entry = places ? entry_at(own.bucket, places) : nullptr;
      if (own.entry) {
        const uint8_t* last = own.entry + (answers ? vector_at(bag) + vector_bytes - 1 : ENTRY_KEYS);
        for (const uint8_t* at = own.entry; at <= last; at += LINE) _mm_prefetch(at, _MM_HINT_T0);
        _mm_prefetch(last, _MM_HINT_T0);
      } else if (answers) {
        _mm_prefetch(seen_word(own.low()), _MM_HINT_T0);
        _mm_prefetch(seen_word(own.low()) + seen_bytes, _MM_HINT_T0);
      }
    }
    for (uint32_t bag = first; bag < end; bag++) {
      Sought& own = sought[bag - first];
      if (!is_cached(bag)) own.entry = nullptr;
      else if (own.entry && !is_of(own.entry, bag)) own.entry = find_after(own, bag);
      if (own.entry && own.entry[ENTRY_CHANCES] < CACHE_CHANCES_MAX) own.entry[ENTRY_CHANCES]++;
    }
  }

  /** The entry of a bag, if it is not the first one with its tag. */
  uint8_t* find_after(const Sought& own, uint32_t bag) const {
    uint32_t places = places_of(own.bucket, own.tag());
    while (places &= places - 1) {
      uint8_t* entry = entry_at(own.bucket, places);
      if (entry && is_of(entry, bag)) return entry;
    }
    return nullptr;
  }

  /** Notes that a bag is not in the cache. @returns whether that was noted before, lately */
  bool miss_again(const Sought& own) const {
    uint8_t* first = seen_word(own.low());
    const uint32_t younger = word(cache, CACHE_SEEN_YOUNGER);
    const uint64_t bits = bits_of(own.tag());
    uint64_t& noted = wide(first, younger * seen_bytes);
    if ((noted & bits) == bits) return true;
    const bool before = (wide(first, (1 - younger) * seen_bytes) & bits) == bits;
    noted |= bits;
    if (++word(cache, CACHE_SEEN_COUNT) >= word(cache, CACHE_SEEN_MAX)) {
      memset(seen + (1 - younger) * seen_bytes, 0, seen_bytes);
      word(cache, CACHE_SEEN_YOUNGER) = 1 - younger;
      word(cache, CACHE_SEEN_COUNT) = 0;
    }
    return before;
  }

  bool has_room(uint32_t bytes) const {
    const uint32_t left = word(cache, CACHE_LOG_BYTES) - word(cache, CACHE_HEAD);
    return word(cache, CACHE_LOG_BYTES) - word(cache, CACHE_USED) >= (left < bytes ? left + bytes : bytes);
  }

  /** Takes memory as `ask` does, and answers the bags one after the other. */
  void run() {
    uint32_t next = word(block, ASK_NEXT);
    const auto take = [&](uint32_t field, uint32_t bytes) {
      word(feature, field) = next;
      next += (bytes + 15) & ~15;
    };
    take(FEATURE_FILLS, bags * FILL_BYTES);
    take(FEATURE_NEXT_OFFSETS, bags * 4 + 4);
    take(FEATURE_SENT_NUMBERS, bags * 4);
    take(FEATURE_SENT_PLACES, bags * 4);
    take(FEATURE_HIT_NUMBERS, bags * 4);
    take(FEATURE_HIT_COUNTS, bags * 4);
    take(FEATURE_HIT_VALUES, bags * vector_bytes);
    uint32_t* next_offsets = words(FEATURE_NEXT_OFFSETS);
    uint32_t* sent_numbers = words(FEATURE_SENT_NUMBERS);
    uint32_t* sent_places = words(FEATURE_SENT_PLACES);
    uint32_t* hit_numbers = words(FEATURE_HIT_NUMBERS);
    uint32_t* hit_counts = words(FEATURE_HIT_COUNTS);
    uint8_t *values = pointer(feature, FEATURE_HIT_VALUES), *fill = pointer(feature, FEATURE_FILLS);
    uint32_t hits = 0, sent = 0, fills = 0, to = 0, probed = 0;
    Sought sought[TOGETHER];
    for (uint32_t first = 0; first < bags; first += TOGETHER) {
      const uint32_t end = std::min(bags, first + TOGETHER);
      find<true>(first, end, sought);
      for (uint32_t bag = first; bag < end; bag++) {
        const Sought& own = sought[bag - first];
        probed += is_cached(bag);
        if (own.entry) {
          memcpy(values + (size_t)hits * vector_bytes, own.entry + vector_at(bag), vector_bytes);
          hit_counts[hits] = length(bag);
          hit_numbers[hits++] = bag;
          sent_places[bag] = NONE;
          continue;
        }
        if (is_cached(bag) && (miss_again(own) || has_room((vector_at(bag) + vector_bytes + 15) & ~15))) {
          word(fill, FILL_BAG) = sent;
          wide(fill, FILL_HASH) = own.hash;
          fill += FILL_BYTES;
          fills++;
        }
        sent_numbers[sent] = bag;
        sent_places[bag] = sent;
        next_offsets[sent++] = to;
        if (hits) {
          memmove(keys + (size_t)to * key_bytes, keys_of(bag), (size_t)length(bag) * key_bytes);
          if (weights) memmove(weights + (size_t)to * 4, weights_of(bag), (size_t)length(bag) * 4);
        }
        to += length(bag);
      }
    }
    wide(cache, CACHE_PROBED) += probed;
    wide(cache, CACHE_HITS) += hits;
    wide(cache, CACHE_HIT_BYTES) += (uint64_t)hits * vector_bytes;
    wide(cache, CACHE_REJECTED) += probed - hits - fills;
    word(feature, FEATURE_HITS) = hits;
    word(feature, FEATURE_FILL_COUNT) = fills;
    if (!hits) return;
    next_offsets[sent] = to;
    word(feature, FEATURE_SENT_OFFSETS) = word(feature, FEATURE_NEXT_OFFSETS);
    word(feature, FEATURE_SENT_BAGS) = sent;
    word(feature, FEATURE_KEY_COUNT) = to;
  }
};

template <bool ONES>
void find_all(uint8_t* memory, uint32_t block, uint32_t* places) {
  const Probe<ONES> probe(memory, block);
  Sought sought[TOGETHER];
  for (uint32_t first = 0; first < probe.bags; first += TOGETHER) {
    const uint32_t end = std::min(probe.bags, first + TOGETHER);
    probe.template find<false>(first, end, sought);
    for (uint32_t bag = first; bag < end; bag++) {
      const uint8_t* entry = sought[bag - first].entry;
      places[bag] = entry ? (entry - probe.log) / 16 + 1 : 0;
    }
  }
}

bool are_ones(uint8_t* memory, uint32_t block) {
  const Probe<false> probe(memory, block);
  uint32_t other = 0;
  for (uint32_t bag = 0; bag <= probe.bags; bag++) other |= probe.offsets[bag] ^ bag;
  return !other && !probe.weights && probe.key_bytes == 4;
}

}  // namespace

void cache::find(uint8_t* memory, uint32_t block, uint32_t* places) {
  are_ones(memory, block) ? find_all<true>(memory, block, places) : find_all<false>(memory, block, places);
}

void cache::probe(uint8_t* memory, uint32_t block) {
  are_ones(memory, block) ? Probe<true>(memory, block).run() : Probe<false>(memory, block).run();
}
