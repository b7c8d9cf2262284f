#include "completion_queue.h"
#include "device.h"
#include "faults.h"
#include "ledger.h"
#include "queue_pair.h"
#include "ring.h"
#include <cerrno>
#include <mutex>

namespace stand_in {

CompletionQueue::CompletionQueue(ibv_context *context, int depth, void *userContext, Channel *channel, Domain *parent)
    : parent(parent), depth(depth), mask(slotsFor(depth) - 1), entries(new Entry[mask + 1]) {
  cq.context = context;
  cq.channel = channel ? &channel->channel : nullptr;
  cq.cq_context = userContext;
  cq.cqe = depth;
  setPolling(cq);
  if (channel) channel->users++;
  if (parent) parent->users++;
  ledger.completionQueues++;
}

CompletionQueue::~CompletionQueue() {
  if (cq.channel) Channel::of(cq.channel)->users--;
  if (parent) parent->users--;
  ledger.completionQueues--;
}

bool CompletionQueue::push(const ibv_wc &completion, int64_t sendEnd, bool solicits) {
  std::lock_guard<SpinLock> lock(pushing);
  const uint32_t at = last.load(std::memory_order_relaxed);
  if (at - first.load(std::memory_order_acquire) >= depth) return overrun();
  entries[at & mask] = {completion, sendEnd};
  last.store(at + 1, std::memory_order_release);
  if (armed == any || (armed == solicited && (solicits || completion.status != IBV_WC_SUCCESS))) tellChannel();
  return true;
}

bool CompletionQueue::overrun() {
  ledger.overruns++;
  if (!full) Context::of(cq.context)->events.push({&cq, IBV_EVENT_CQ_ERR, &asyncEvents});
  full = true;
  return false;
}

void CompletionQueue::tellChannel() {
  armed = no;
  if (cq.channel) Channel::of(cq.channel)->events.push({&cq, 0, &channelEvents});
}

void CompletionQueue::arm(bool solicitedOnly) {
  // Whoever pushes before this is seen by the poll after it; whoever pushes later sees it armed.
  std::lock_guard<SpinLock> lock(pushing);
  if (!solicitedOnly) armed = any;
  else if (armed == no) armed = solicited;
}

int CompletionQueue::poll(int count, ibv_wc *into) {
  if (parent && parent->thread) parent->thread->used("ibv_poll_cq");
  if (first.load(std::memory_order_relaxed) == last.load(std::memory_order_acquire)) return 0;
  int taken;
  if (parent && parent->thread) {
    taken = take(count, into);
  } else {
    std::lock_guard<SpinLock> lock(polling);
    taken = take(count, into);
  }
  (parent ? parent->queues() : Thread::current().queues).polled(taken);
  return taken;
}

int CompletionQueue::take(int count, ibv_wc *into) {
  uint32_t at = first.load(std::memory_order_relaxed);
  const uint32_t ready = last.load(std::memory_order_acquire) - at;
  if (ready < static_cast<uint32_t>(count)) count = ready;
  for (int taken = 0; taken < count; taken++, at++) {
    const Entry &entry = entries[at & mask];
    if (entry.sendEnd != noSend) SendSlots::free(entry.completion.qp_num, entry.sendEnd);
    into[taken] = entry.completion;
  }
  first.store(at, std::memory_order_release);
  return count;
}

int pollCompletions(ibv_cq *cq, int count, ibv_wc *into) { return CompletionQueue::of(cq)->poll(count, into); }

int armCompletionQueue(ibv_cq *cq, int solicitedOnly) {
  if (const int error = faults.next(Verb::reqNotifyCq)) return error;
  CompletionQueue::of(cq)->arm(solicitedOnly != 0);
  return 0;
}

static CompletionQueue *create(ibv_context *context, ibv_cq_init_attr_ex of, Domain *parent) {
  if (failsWithErrno(Verb::createCq)) return nullptr;
  const bool valid = of.cqe > 0 && of.cqe <= static_cast<uint32_t>(Limits::completions) &&
                     of.comp_vector < static_cast<uint32_t>(context->num_comp_vectors);
  if (!valid) return errno = EINVAL, nullptr;
  Channel *channel = of.channel ? Channel::of(of.channel) : nullptr;
  return new CompletionQueue(context, of.cqe, of.cq_context, channel, parent);
}

ibv_cq_ex *createCompletionQueueEx(ibv_context *context, ibv_cq_init_attr_ex *attributes) {
  const bool hasDomain = (attributes->comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) != 0;
  Domain *parent = hasDomain ? Domain::of(attributes->parent_domain) : nullptr;
  // A plain protection domain is none to make completion queues in.
  if (parent && parent->base == parent) return errno = EINVAL, nullptr;
  if ((attributes->wc_flags & ~static_cast<uint64_t>(IBV_WC_STANDARD_FLAGS)) != 0) return errno = EOPNOTSUPP, nullptr;
  CompletionQueue *queue = create(context, *attributes, parent);
  return queue ? &queue->cq : nullptr;
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_cq *ibv_create_cq(ibv_context *context, int depth, void *userContext, ibv_comp_channel *channel,
                                 int vector) {
  ibv_cq_init_attr_ex attributes{};
  attributes.cqe = depth;
  attributes.cq_context = userContext;
  attributes.channel = channel;
  attributes.comp_vector = vector;
  CompletionQueue *queue = create(context, attributes, nullptr);
  return queue ? ibv_cq_ex_to_cq(&queue->cq) : nullptr;
}

extern "C" int ibv_destroy_cq(ibv_cq *cq) {
  CompletionQueue *queue = CompletionQueue::of(cq);
  if (queue->users > 0) return EBUSY;
  if (cq->channel) Channel::of(cq->channel)->events.purge(cq);
  Context::of(cq->context)->events.purge(cq);
  if (!queue->channelEvents.settle() || !queue->asyncEvents.settle()) return EBUSY;
  delete queue;
  return 0;
}

extern "C" int ibv_resize_cq(ibv_cq *, int) { return EOPNOTSUPP; }

extern "C" ibv_comp_channel *ibv_create_comp_channel(ibv_context *context) {
  if (failsWithErrno(Verb::createCompChannel)) return nullptr;
  auto *channel = new Channel;
  channel->channel.context = context;
  channel->channel.fd = channel->events.descriptor();
  ledger.completionChannels++;
  return &channel->channel;
}

extern "C" int ibv_destroy_comp_channel(ibv_comp_channel *of) {
  Channel *channel = Channel::of(of);
  if (channel->users > 0) return EBUSY;
  ledger.completionChannels--;
  delete channel;
  return 0;
}

extern "C" int ibv_get_cq_event(ibv_comp_channel *channel, ibv_cq **cq, void **userContext) {
  EventQueue::Event event;
  if (!Channel::of(channel)->events.pop(event)) return -1;
  *cq = static_cast<ibv_cq *>(event.object);
  *userContext = (*cq)->cq_context;
  return 0;
}

extern "C" void ibv_ack_cq_events(ibv_cq *cq, unsigned count) {
  CompletionQueue::of(cq)->channelEvents.acknowledge(count);
}
