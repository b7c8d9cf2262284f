#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

/**
 * u64 key → u32 slot, in the layout our kernels use: a bucket is one cache line, the hash names a bucket, and keys
 * that find it full go to the next one. A bucket counts the keys that passed over it, so that most misses end there.
 */
class Index {
 public:
  /** Room for `capacity` keys at a load of 0.6. */
  explicit Index(size_t capacity);
  /** Keys must be new. */
  void insert(const uint64_t* keys, const uint32_t* slots, size_t n);
  /** slots[i] = slot of keys[i], or 0xffffffff. */
  void find(const uint64_t* keys, uint32_t* slots, size_t n) const;
  /** The same, prefetching a fixed distance ahead in the loop that compares. */
  void find_rolling(const uint64_t* keys, uint32_t* slots, size_t n) const;

 private:
  static constexpr int WIDTH = 5;
  struct alignas(64) Bucket {
    uint64_t keys[WIDTH];
    uint32_t slots[WIDTH];
    uint16_t held, passed;
  };
  static_assert(sizeof(Bucket) == 64);

  uint32_t bucket_of(uint64_t key) const;
  static uint32_t places_of(const Bucket& bucket, uint64_t key);
  static uint32_t find_in(const Bucket& bucket, uint64_t key);
  uint32_t find_after(uint32_t at, uint64_t key) const;
  uint32_t find_from(uint32_t at, uint64_t key) const;

  uint32_t count_;
  std::unique_ptr<Bucket[]> buckets_;
};
