#include "completion_queue.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ledger.h"
#include "registry.h"

// JavaScript uses the numbers of the verbs API.
static_assert(IBV_WC_SEND == 0 && IBV_WC_RDMA_WRITE == 1 && IBV_WC_RDMA_READ == 2 && IBV_WC_COMP_SWAP == 3);
static_assert(IBV_WC_FETCH_ADD == 4 && IBV_WC_RECV == 128 && IBV_WC_RECV_RDMA_WITH_IMM == 129);

namespace {

/** The most completions to take from the device at a time. */
constexpr uint32_t BATCH = 16;
constexpr uint32_t HAS_IMMEDIATE = 1;

/** Writes the layout of lib/completion.ts. In a failed completion, the device sets only id, status and queue pair. */
void write(uint32_t* to, const ibv_wc& completion) {
  const bool ok = completion.status == IBV_WC_SUCCESS;
  const bool immediate = ok && completion.wc_flags & IBV_WC_WITH_IMM;
  std::memcpy(to, &completion.wr_id, sizeof completion.wr_id);
  to[2] = completion.status;
  to[3] = ok ? completion.opcode : 0;
  to[4] = ok ? completion.byte_len : 0;
  to[5] = immediate ? ntohl(completion.imm_data) : 0;
  to[6] = completion.qp_num;
  to[7] = immediate ? HAS_IMMEDIATE : 0;
}

template <class H>
H* optional_handle(const Options& options, Call& call, const char* name) {
  const napi_value value = options.value(name);
  napi_valuetype type = napi_undefined;
  napi_typeof(call.env, value, &type);
  return type == napi_undefined ? nullptr : &handle_as<H>(call.env, value, name);
}

}  // namespace

CompletionQueue::CompletionQueue(std::shared_ptr<Context> context, uint32_t depth,
                                 std::shared_ptr<CompletionChannel> channel, std::shared_ptr<ParentDomain> parent)
    : id(registry::next_id()), context_(std::move(context)), channel_(std::move(channel)), parent_(std::move(parent)) {
  if (parent_ && parent_->has_thread_domain()) raw = create_in_thread_domain(depth);
  if (!raw) raw = create(depth);
  ledger::created(Kind::completion_queue);
}

ibv_cq* CompletionQueue::create(uint32_t depth) const {
  ibv_comp_channel* channel = channel_ ? channel_->raw : nullptr;
  void* id_as_context = reinterpret_cast<void*>(static_cast<uintptr_t>(id));
  const auto queue = library().ibv_create_cq(context_->raw, static_cast<int>(depth), id_as_context, channel, 0);
  return check_pointer("ibv_create_cq", context_->device, queue);
}

/** @returns null if the provider supports thread domains, but not for completion queues */
ibv_cq* CompletionQueue::create_in_thread_domain(uint32_t depth) const {
  ibv_cq_init_attr_ex attributes = {};
  attributes.cqe = depth;
  attributes.cq_context = reinterpret_cast<void*>(static_cast<uintptr_t>(id));
  attributes.channel = channel_ ? channel_->raw : nullptr;
  attributes.wc_flags = IBV_WC_STANDARD_FLAGS;
  attributes.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
  attributes.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
  attributes.parent_domain = parent_->raw;
  ibv_cq_ex* queue = ibv_create_cq_ex(context_->raw, &attributes);
  return queue ? ibv_cq_ex_to_cq(queue) : nullptr;
}

CompletionQueue::~CompletionQueue() { ledger::destroyed(Kind::completion_queue, library().ibv_destroy_cq(raw)); }

CompletionQueueHandle::CompletionQueueHandle(Call& call) : HandleOf(call) {
  const char* verb = "ibv_create_cq";
  const Options options = call.options(1);
  const auto& context = handle_as<ContextHandle>(call.env, call.argument(0), "Context");
  const auto channel = optional_handle<CompletionChannelHandle>(options, call, "channel");
  const auto parent = optional_handle<ParentDomainHandle>(options, call, "parent");
  object_ = std::make_shared<CompletionQueue>(context.object(verb), options.number("depth"),
                                              channel ? channel->object(verb) : nullptr,
                                              parent ? parent->object(verb) : nullptr);
  bind<&CompletionQueueHandle::poll>(call, "poll", this);
  bind<&CompletionQueueHandle::arm>(call, "arm", this);
}

napi_value CompletionQueueHandle::describe(Call& call) {
  const auto& queue = object("describe");
  return Record(call.env).set("depth", queue->raw->cqe).set("id", queue->id).value();
}

napi_value CompletionQueueHandle::poll(Call& call) {
  ibv_cq* queue = object("ibv_poll_cq")->raw;
  const Words into = call.words(0, "into");
  const uint32_t room = std::min<size_t>(into.length / COMPLETION_WORDS, UINT32_MAX);
  ibv_wc batch[BATCH];
  uint32_t taken = 0;
  while (taken < room) {
    const uint32_t want = std::min(BATCH, room - taken);
    const int got = ibv_poll_cq(queue, static_cast<int>(want), batch);
    // Return the completions that were already taken. The next poll reports the error, because the queue fails again.
    if (got < 0 && taken == 0) throw_errno("ibv_poll_cq", CompletionQueue::NOUN);
    for (int i = 0; i < got; i++) write(into.data + (taken + i) * size_t{COMPLETION_WORDS}, batch[i]);
    taken += std::max(got, 0);
    if (got < static_cast<int>(want)) break;
  }
  return call.give(taken);
}

napi_value CompletionQueueHandle::arm(Call& call) {
  check("ibv_req_notify_cq", CompletionQueue::NOUN, ibv_req_notify_cq(object("ibv_req_notify_cq")->raw, call.flag(0)));
  return nullptr;
}

void CompletionQueueHandle::define(Environment& environment, napi_value exports) {
  define_class<CompletionQueueHandle>(environment, exports, "CompletionQueue",
                                      {{"describe", invoke<&CompletionQueueHandle::describe>}});
}
