#pragma once
#include "doorbell.h"
#include "thread.h"
#include "verbs.h"

namespace stand_in {

/// Objects made in it may be used by one thread only: a provider takes no locks for them. The stand-in looks whether
/// that is so: the first thread that uses one of them owns them all.
class ThreadDomain {
 public:
  /// A call on the data path, by name.
  void used(const char *verb) {
    const uint32_t me = Thread::current().serial;
    if (owner.load(std::memory_order_relaxed) != me) usedByAnother(me, verb);
  }

  stand_in_work work();

  ibv_td td{};
  Doorbell doorbell{Doorbell::Sharing::none};
  QueueCounts queues;
  std::atomic<int> users{0};

 private:
  void usedByAnother(uint32_t thread, const char *verb);
  std::atomic<uint32_t> owner{0};
};

/// A protection domain, or a thread's own over one.
struct Domain {
  static Domain *of(ibv_pd *pd) { return reinterpret_cast<Domain *>(pd); }
  QueueCounts &queues() { return thread ? thread->queues : Thread::current().queues; }

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
