#include "shared_receive_queue.h"

#include "ledger.h"
#include "posting.h"

SharedReceiveQueue::SharedReceiveQueue(std::shared_ptr<Domain> domain, uint32_t receives_max, uint32_t sge_max)
    : domain_(std::move(domain)) {
  ibv_srq_init_attr attributes = {};
  attributes.attr.max_wr = receives_max;
  attributes.attr.max_sge = sge_max;
  raw = check_pointer("ibv_create_srq", domain_->context->device, library().ibv_create_srq(domain_->raw, &attributes));
  ledger::created(Kind::shared_receive_queue);
}

SharedReceiveQueue::~SharedReceiveQueue() {
  ledger::destroyed(Kind::shared_receive_queue, library().ibv_destroy_srq(raw));
}

SharedReceiveQueueHandle::SharedReceiveQueueHandle(Call& call) : HandleOf(call) {
  const Options options = call.options(1);
  const uint32_t receives_max = options.number("maxReceives");
  const auto& domain = handle_as<AnyDomainHandle>(call.env, call.argument(0), "domain");
  object_ = std::make_shared<SharedReceiveQueue>(domain.domain("ibv_create_srq"), receives_max, options.number("maxSge"));
  environment_->work_requests.reserve(0, receives_max);
  bind<&SharedReceiveQueueHandle::post_receives>(call, "postReceives", this);
}

napi_value SharedReceiveQueueHandle::post_receives(Call& call) {
  ibv_srq* queue = object("ibv_post_srq_recv")->raw;
  WorkRequests& requests = environment_->work_requests;
  post_all(
      call, {"ibv_post_srq_recv", SharedReceiveQueue::NOUN, RECEIVE_WORDS, requests.receives_max()},
      [&](const uint32_t* words, uint32_t count) { return requests.build_receives(words, count); },
      [&](ibv_recv_wr* list, ibv_recv_wr** refused) { return ibv_post_srq_recv(queue, list, refused); },
      [&](const ibv_recv_wr* refused) { return requests.position(refused); });
  return nullptr;
}

void SharedReceiveQueueHandle::define(Environment& environment, napi_value exports) {
  define_class<SharedReceiveQueueHandle>(environment, exports, "SharedReceiveQueue", {});
}
