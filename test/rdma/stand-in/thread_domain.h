#pragma once
#include "stand_in.h"
#include "thread.h"
#include "verbs.h"

namespace stand_in {

/// Counts of a doorbell. A thread domain's has one writer, so it costs no atomic addition; the doorbell shared by all
/// else costs what sharing costs.
class Doorbell {
 public:
  explicit Doorbell(bool shared) : shared(shared) {}
  void rangForSends(uint32_t posted, uint32_t inlined) { add(doorbells, 1), add(sends, posted), add(inlineSends, inlined); }
  void rangForReceives(uint32_t posted) { add(receiveDoorbells, 1), add(receives, posted); }
  void polled(uint32_t completions) { add(polls, completions); }
  stand_in_work work() const { return {doorbells, sends, inlineSends, receiveDoorbells, receives, polls}; }
  void clear();

 private:
  using Count = std::atomic<uint64_t>;
  void add(Count &count, uint64_t more) {
    if (shared) count.fetch_add(more, std::memory_order_relaxed);
    else count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  const bool shared;
  Count doorbells{0}, sends{0}, inlineSends{0}, receiveDoorbells{0}, receives{0}, polls{0};
};
extern Doorbell sharedDoorbell;

/// Objects made in it may be used by one thread only: a provider takes no locks for them. The stand-in looks whether
/// that is so: the first thread that uses one of them owns them all.
class ThreadDomain {
 public:
  /// A call on the data path, by name.
  void used(const char *verb) {
    const uint32_t me = Thread::current().serial;
    if (owner.load(std::memory_order_relaxed) != me) usedByAnother(me, verb);
  }

  ibv_td td{};
  Doorbell doorbell{false};
  std::atomic<int> users{0};

 private:
  void usedByAnother(uint32_t thread, const char *verb);
  std::atomic<uint32_t> owner{0};
};

/// A protection domain, or a thread's own over one.
struct Domain {
  static Domain *of(ibv_pd *pd) { return reinterpret_cast<Domain *>(pd); }
  Doorbell &doorbell() { return thread ? thread->doorbell : sharedDoorbell; }

  ibv_pd pd{};
  /// What protects: itself, or what a parent domain was made over.
  Domain *base = this;
  ThreadDomain *thread = nullptr;
  std::atomic<int> users{0};
};

void forgetViolations();
ibv_td *allocateThreadDomain(ibv_context *context, ibv_td_init_attr *attributes);
int deallocateThreadDomain(ibv_td *td);
ibv_pd *allocateParentDomain(ibv_context *context, ibv_parent_domain_init_attr *attributes);

} // namespace stand_in
