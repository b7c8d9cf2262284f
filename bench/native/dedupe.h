#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

/** Unique keys of a batch in order of first occurrence. Keeps its table from batch to batch. */
class Dedupe {
 public:
  /** Room for batches of `capacity` keys, at most 2^20. */
  explicit Dedupe(size_t capacity);
  /** unique[inverse[i]] == keys[i]. @returns how many are unique */
  size_t run(const uint64_t* keys, size_t n, uint64_t* unique, uint32_t* inverse);

 private:
  static constexpr int POSITION_BITS = 20;
  void next_generation();

  uint32_t mask_;
  uint32_t generation_ = 0;
  /** Open addressing: the position of a unique key, tagged with the batch that wrote it, so that nothing is cleared. */
  std::vector<uint32_t> table_;
};
