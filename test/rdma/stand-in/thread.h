#pragma once
#include "doorbell.h"
#include <atomic>
#include <cstdint>

namespace stand_in {

/// A thread that uses verbs. It announces when it may hold pointers to other threads' queue pairs and memory, so that
/// those who take them away can wait for it; the data path pays one exchange a doorbell, and takes no lock for this.
class alignas(64) Thread {
 public:
  static Thread &current() { return here ? *here : enrol(); }
  /// Returns when every other thread has left what it was in when this was called.
  static void waitForOthers();

  void enter() {
    if (depth++ == 0) entries.exchange(entries.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  }
  void leave() {
    if (--depth == 0) entries.store(entries.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  /// Of the queues outside any thread domain, which every thread counts for itself.
  static void addTo(stand_in_work &sum);
  static void clearCounts();

  /// Of the queues outside any thread domain that this thread uses.
  QueueCounts queues;
  /// Never given twice, unlike what the system calls its threads.
  uint32_t serial = 0;

 private:
  friend struct Resignation;
  static constexpr int threadsMax = 1024;
  static Thread threads[];
  static Thread &enrol();
  static __thread Thread *here __attribute__((tls_model("initial-exec")));

  std::atomic<uint64_t> entries{0}; ///< odd while inside
  uint32_t depth = 0;
  std::atomic<bool> taken{false};
};

/// The current thread holds pointers to what others own.
class Presence {
 public:
  Presence() : thread(Thread::current()) { thread.enter(); }
  ~Presence() { thread.leave(); }
  Presence(const Presence &) = delete;

 private:
  Thread &thread;
};

} // namespace stand_in
