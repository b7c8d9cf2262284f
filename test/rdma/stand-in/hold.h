#pragma once
#include <atomic>
#include <cstdint>

namespace stand_in {

/// Whether send requests may leave: all of them, none, or so many.
class Hold {
 public:
  bool pass() { return left.load(std::memory_order_relaxed) == all || passOne(); }
  /// The request that passed has to wait for something else.
  void passedInVain() {
    if (left.load(std::memory_order_relaxed) != all) left++;
  }
  void allow(int64_t count) { left = count; }
  int64_t allowed() const { return left; }
  static constexpr int64_t all = -1;

 private:
  bool passOne() {
    int64_t now = left.load();
    while (now > 0)
      if (left.compare_exchange_weak(now, now - 1)) return true;
    return now == all;
  }
  std::atomic<int64_t> left{all};
};
extern Hold hold;

} // namespace stand_in
