#include "thread_domain.h"
#include "device.h"
#include "faults.h"
#include "ledger.h"
#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

namespace stand_in {

static std::mutex mutex;
static std::vector<ThreadDomain *> domains;
static std::atomic<uint64_t> violations{0};
static std::atomic<const char *> lastViolation{nullptr};

static ThreadDomain *threadDomainOf(ibv_td *td) { return reinterpret_cast<ThreadDomain *>(td); }

stand_in_work ThreadDomain::work() {
  stand_in_work work = doorbell.work();
  queues.addTo(work);
  return work;
}

void ThreadDomain::usedByAnother(uint32_t thread, const char *verb) {
  uint32_t nobody = 0;
  if (owner.compare_exchange_strong(nobody, thread)) return;
  violations++;
  lastViolation = verb;
}

void forgetViolations() {
  violations = 0;
  lastViolation = nullptr;
  for (int device = 0; device < Limits::devices; device++) Device::at(device).doorbells.clear();
  Thread::clearCounts();
}

ibv_td *allocateThreadDomain(ibv_context *context, ibv_td_init_attr *attributes) {
  if (failsWithErrno(Verb::allocTd)) return nullptr;
  if (attributes->comp_mask != 0) return errno = EOPNOTSUPP, nullptr;
  auto *domain = new ThreadDomain;
  domain->td.context = context;
  std::lock_guard<std::mutex> lock(mutex);
  domains.push_back(domain);
  ledger.threadDomains++;
  return &domain->td;
}

int deallocateThreadDomain(ibv_td *td) {
  ThreadDomain *domain = threadDomainOf(td);
  if (domain->users > 0) return EBUSY;
  std::lock_guard<std::mutex> lock(mutex);
  domains.erase(std::find(domains.begin(), domains.end(), domain));
  ledger.threadDomains--;
  delete domain;
  return 0;
}

ibv_pd *allocateParentDomain(ibv_context *context, ibv_parent_domain_init_attr *attributes) {
  if (failsWithErrno(Verb::allocParentDomain)) return nullptr;
  if (!attributes->pd || attributes->pd->context != context) return errno = EINVAL, nullptr;
  if (attributes->comp_mask != 0) return errno = EOPNOTSUPP, nullptr;
  auto *domain = new Domain;
  domain->pd.context = context;
  domain->base = Domain::of(attributes->pd)->base;
  domain->base->users++;
  if (attributes->td) {
    domain->thread = threadDomainOf(attributes->td);
    domain->thread->users++;
  }
  ledger.parentDomains++;
  return &domain->pd;
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_pd *ibv_alloc_pd(ibv_context *context) {
  if (failsWithErrno(Verb::allocPd)) return nullptr;
  auto *domain = new Domain;
  domain->pd.context = context;
  ledger.protectionDomains++;
  return &domain->pd;
}

extern "C" int ibv_dealloc_pd(ibv_pd *pd) {
  Domain *domain = Domain::of(pd);
  if (domain->users > 0) return EBUSY;
  if (domain->base == domain) ledger.protectionDomains--;
  else ledger.parentDomains--, domain->base->users--;
  if (domain->thread) domain->thread->users--;
  delete domain;
  return 0;
}

extern "C" stand_in_work stand_in_thread_domain_work(ibv_td *td) { return threadDomainOf(td)->work(); }

extern "C" uint64_t stand_in_doorbells(ibv_td *td) { return stand_in_thread_domain_work(td).doorbells; }

extern "C" stand_in_work stand_in_shared_work() {
  stand_in_work sum{};
  for (int device = 0; device < Limits::devices; device++) Device::at(device).doorbells.addTo(sum);
  Thread::addTo(sum);
  return sum;
}

extern "C" int stand_in_thread_domains(stand_in_work *into, int count) {
  std::lock_guard<std::mutex> lock(mutex);
  const int live = static_cast<int>(domains.size());
  for (int at = 0; at < std::min(live, count); at++) into[at] = domains[at]->work();
  return live;
}

extern "C" uint64_t stand_in_violations() { return violations; }

extern "C" const char *stand_in_last_violation() { return lastViolation; }
