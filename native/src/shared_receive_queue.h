// A queue of receives that several queue pairs share.
#pragma once
#include "protection_domain.h"

class SharedReceiveQueue {
 public:
  static constexpr const char* NOUN = "shared receive queue";

  SharedReceiveQueue(std::shared_ptr<Domain> domain, uint32_t receives_max, uint32_t sge_max);
  ~SharedReceiveQueue();
  SharedReceiveQueue(const SharedReceiveQueue&) = delete;

  ibv_srq* raw;

 private:
  const std::shared_ptr<Domain> domain_;
};

/** new SharedReceiveQueue(domain: ProtectionDomain | ParentDomain, { maxReceives, maxSge }) */
class SharedReceiveQueueHandle : public HandleOf<SharedReceiveQueue> {
 public:
  explicit SharedReceiveQueueHandle(Call& call);

  napi_value post_receives(Call& call);

  static void define(Environment& environment, napi_value exports);
};
