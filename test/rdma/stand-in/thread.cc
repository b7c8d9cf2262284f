#include "thread.h"
#include <cstdio>
#include <cstdlib>
#include <sched.h>

namespace stand_in {

__thread Thread *Thread::here = nullptr;

Thread Thread::threads[threadsMax];
static std::atomic<uint32_t> serials{0};

/// Gives the place back when the thread ends.
struct Resignation {
  Thread *thread = nullptr;
  ~Resignation() {
    Thread::here = nullptr;
    if (thread) thread->taken.store(false, std::memory_order_release);
  }
};

Thread &Thread::enrol() {
  static thread_local Resignation resignation;
  for (Thread &thread : threads) {
    bool free = false;
    if (!thread.taken.compare_exchange_strong(free, true)) continue;
    thread.serial = ++serials;
    here = resignation.thread = &thread;
    return thread;
  }
  std::fprintf(stderr, "stand-in: more than %d threads\n", threadsMax);
  std::abort();
}

void Thread::addTo(stand_in_work &sum) {
  for (const Thread &thread : threads) thread.queues.addTo(sum);
}

void Thread::clearCounts() {
  for (Thread &thread : threads) thread.queues.clear();
}

void Thread::waitForOthers() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const Thread *self = &current();
  for (const Thread &thread : threads) {
    const uint64_t seen = thread.entries.load(std::memory_order_acquire);
    if (&thread == self || seen % 2 == 0) continue;
    while (thread.entries.load(std::memory_order_acquire) == seen) sched_yield();
  }
}

} // namespace stand_in
