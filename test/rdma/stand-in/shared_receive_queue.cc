#include "shared_receive_queue.h"
#include "device.h"
#include "faults.h"
#include "ledger.h"
#include "queue_pair.h"
#include <cerrno>
#include <mutex>

namespace stand_in {

SharedReceiveQueue::SharedReceiveQueue(Domain *domain, const ibv_srq_init_attr &of)
    : domain(domain), granted(of.attr), receives(of.attr.max_wr, of.attr.max_sge) {
  srq.context = domain->pd.context;
  srq.srq_context = of.srq_context;
  srq.pd = &domain->pd;
  domain->users++;
  ledger.sharedReceiveQueues++;
}

SharedReceiveQueue::~SharedReceiveQueue() {
  domain->users--;
  ledger.sharedReceiveQueues--;
}

int SharedReceiveQueue::postReceives(ibv_recv_wr *request, ibv_recv_wr **bad) {
  if (domain->thread) domain->thread->used("ibv_post_srq_recv");
  int error = faults.next(Verb::postSrqRecv);
  uint32_t posted = 0;
  bool waitedFor;
  {
    std::lock_guard<SpinLock> lock(receives.lock);
    for (; request && !error; posted++, request = request->next)
      if ((error = receives.push(*request))) break;
    waitedFor = receives.waiters.any();
  }
  if (error) *bad = request;
  if (posted) domain->queues().posted(posted);
  if (waitedFor) wake(receives);
  return error;
}

int postSharedReceive(ibv_srq *srq, ibv_recv_wr *request, ibv_recv_wr **bad) {
  return SharedReceiveQueue::of(srq)->postReceives(request, bad);
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_srq *ibv_create_srq(ibv_pd *pd, ibv_srq_init_attr *attributes) {
  if (failsWithErrno(Verb::createSrq)) return nullptr;
  const ibv_srq_attr &asked = attributes->attr;
  const bool valid = asked.max_wr > 0 && asked.max_wr <= Limits::workRequests && asked.max_sge <= Limits::sges;
  if (!valid) return errno = EINVAL, nullptr;
  return &(new SharedReceiveQueue(Domain::of(pd), *attributes))->srq;
}

extern "C" int ibv_query_srq(ibv_srq *srq, ibv_srq_attr *attributes) {
  *attributes = SharedReceiveQueue::of(srq)->granted;
  return 0;
}

extern "C" int ibv_modify_srq(ibv_srq *, ibv_srq_attr *, int) { return EOPNOTSUPP; }

extern "C" int ibv_destroy_srq(ibv_srq *srq) {
  SharedReceiveQueue *queue = SharedReceiveQueue::of(srq);
  if (queue->users > 0) return EBUSY;
  delete queue;
  return 0;
}
