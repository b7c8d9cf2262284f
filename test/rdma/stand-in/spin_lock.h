#pragma once
#include <atomic>
#include <sched.h>

namespace stand_in {

/// A lock for a few dozen instructions: uncontended it costs one atomic exchange.
class SpinLock {
 public:
  void lock() {
    while (!try_lock()) wait();
  }
  bool try_lock() { return !taken.exchange(true, std::memory_order_acquire); }
  void unlock() { taken.store(false, std::memory_order_release); }

 private:
  void wait() const {
    for (int spins = 0; taken.load(std::memory_order_relaxed); spins++) {
      // Its owner may have been preempted, on a machine of few processors.
      if (spins >= 64) sched_yield();
      __builtin_ia32_pause();
    }
  }
  std::atomic<bool> taken{false};
};

} // namespace stand_in
