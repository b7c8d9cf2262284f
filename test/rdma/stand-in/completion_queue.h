#pragma once
#include "event_queue.h"
#include "spin_lock.h"
#include "thread_domain.h"
#include "verbs.h"
#include <atomic>
#include <memory>

namespace stand_in {

struct Channel {
  static Channel *of(ibv_comp_channel *channel) { return reinterpret_cast<Channel *>(channel); }
  ibv_comp_channel channel{};
  EventQueue events;
  std::atomic<int> users{0};
};

/// One that says nothing but whose it is and why. What else it holds some devices leave as garbage; here it always is.
inline ibv_wc failedCompletion(uint64_t id, ibv_wc_status status, uint32_t queuePair) {
  ibv_wc completion{};
  completion.wr_id = id;
  completion.status = status;
  completion.qp_num = queuePair;
  completion.opcode = static_cast<ibv_wc_opcode>(0x7f);
  completion.byte_len = UINT32_MAX;
  return completion;
}

/// Completions on their way. Any thread may push; those who poll lock each other out, but not in a thread domain.
class CompletionQueue {
 public:
  static CompletionQueue *of(ibv_cq *cq) { return reinterpret_cast<CompletionQueue *>(cq); }

  CompletionQueue(ibv_context *context, int depth, void *userContext, Channel *channel, Domain *parent);
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue &) = delete;

  static constexpr int64_t noSend = -1;
  /// @param sendEnd for a send: the slot after its request's; polled, all slots before it are free again
  /// @returns false where the queue is full
  bool push(const ibv_wc &completion, int64_t sendEnd, bool solicited);
  int poll(int count, ibv_wc *into);
  void arm(bool solicitedOnly);

  ibv_cq_ex cq{};
  std::atomic<int> users{0};
  Acknowledgements channelEvents, asyncEvents;
  /// What start_poll and next_poll came upon.
  ibv_wc current{};

 private:
  struct Entry {
    ibv_wc completion;
    int64_t sendEnd;
  };
  enum Armed { no, solicited, any };
  int take(int count, ibv_wc *into);
  bool overrun();
  void tellChannel();

  Domain *const parent;
  const uint32_t depth, mask;
  const std::unique_ptr<Entry[]> entries;
  Armed armed = no;
  bool full = false;
  alignas(64) SpinLock pushing;
  std::atomic<uint32_t> last{0};
  alignas(64) SpinLock polling;
  std::atomic<uint32_t> first{0};
};

int pollCompletions(ibv_cq *cq, int count, ibv_wc *into);
int armCompletionQueue(ibv_cq *cq, int solicitedOnly);
ibv_cq_ex *createCompletionQueueEx(ibv_context *context, ibv_cq_init_attr_ex *attributes);
/// Fills in what the extended polling functions call.
void setPolling(ibv_cq_ex &cq);

} // namespace stand_in
