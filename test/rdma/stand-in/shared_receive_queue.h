#pragma once
#include "receive_queue.h"
#include "thread_domain.h"

namespace stand_in {

class SharedReceiveQueue {
 public:
  static SharedReceiveQueue *of(ibv_srq *srq) { return reinterpret_cast<SharedReceiveQueue *>(srq); }
  SharedReceiveQueue(Domain *domain, const ibv_srq_init_attr &attributes);
  ~SharedReceiveQueue();
  SharedReceiveQueue(const SharedReceiveQueue &) = delete;
  int postReceives(ibv_recv_wr *request, ibv_recv_wr **bad);

  ibv_srq srq{};
  std::atomic<int> users{0};
  Domain *const domain;
  const ibv_srq_attr granted;
  ReceiveQueue receives;
};

} // namespace stand_in
