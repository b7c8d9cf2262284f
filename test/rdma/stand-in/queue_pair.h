#pragma once
#include "completion_queue.h"
#include "device.h"
#include "receive_queue.h"
#include "shared_receive_queue.h"
#include "spin_lock.h"
#include "thread_domain.h"
#include "verbs.h"
#include "work_request.h"
#include <atomic>
#include <memory>

namespace stand_in {

/// How far a queue pair's send slots are free. Apart from the queue pair, so that a completion that is polled after
/// its queue pair has gone finds nothing of it.
struct SendSlots {
  static void begin(uint32_t number, uint32_t end);
  static void free(uint32_t number, uint32_t end);
  static uint32_t freed(uint32_t number);
};

constexpr int noEvent = -1;

/// What is left to do when the locks are gone.
struct Aftermath {
  /// This queue pair went to error: whoever waits for it waits in vain.
  bool failed = false;
  /// A peer that answered with an error, and so goes to error itself; 0: none.
  uint32_t brokenPeer = 0;
  int peerEvent = noEvent;
};

/// A reliable connection. Locks are taken in this order: a queue pair's `sending`, a doorbell's, which is given
/// back before the next; a receive queue's, a completion queue's; never two of a kind.
class QueuePair {
 public:
  static QueuePair *of(ibv_qp *qp) { return reinterpret_cast<QueuePair *>(qp); }
  /// Only while present, both. @returns nullptr where there is none
  static QueuePair *find(uint32_t number);
  static QueuePair *inPlace(uint32_t place) { return places[place].load(std::memory_order_acquire); }
  /// No queue pair has ever had this place, or a later one.
  static uint32_t placesUsed();
  static uint32_t placeOf(uint32_t number) { return number % Limits::queuePairs; }

  QueuePair(Domain *domain, const ibv_qp_init_attr &attributes);
  ~QueuePair();
  QueuePair(const QueuePair &) = delete;
  /// Finds it a number. @returns false where there are none left
  bool enlist();

  int modify(const ibv_qp_attr &to, int mask);
  void query(ibv_qp_attr &attributes, ibv_qp_init_attr &initial) const;
  int postSends(ibv_send_wr *request, ibv_send_wr **bad);
  int postReceives(ibv_recv_wr *request, ibv_recv_wr **bad);
  /// 0…15.
  int serviceLevel() const { return attributes.ah_attr.sl & 15; }
  /// Executes what can be executed, as the device would by itself.
  void kick();
  /// To error, with an event where there is one to tell.
  void fail(int event);
  /// The end: it is in error and nobody knows it any more; whoever waited for it does not.
  void retire();

  ibv_qp qp{};
  Acknowledgements events;

 private:
  friend class Transfer;
  static std::atomic<QueuePair *> places[Limits::queuePairs];

  /// Nobody else holds on to it when this returns.
  void delist();
  void setState(ibv_qp_state to);
  void tell(int event);
  int refusal(const ibv_send_wr &request) const;
  int push(const ibv_send_wr &request);
  void ring(uint32_t count, uint32_t inlined);
  Aftermath progress();
  void complete(const WorkRequest &request, ibv_wc_status status, uint32_t bytes);
  void flushReceives();
  void settle(const Aftermath &aftermath);
  void enterError();
  void reset();
  void wakeWaiters();
  WorkRequest *slot(uint32_t at) const {
    return reinterpret_cast<WorkRequest *>(requests.get() + (at % slots) * stride);
  }

  Domain *const domain;
  Device *const device;
  Doorbell &doorbell;
  CompletionQueue *const sendCompletions, *const receiveCompletions;
  SharedReceiveQueue *const shared;
  const ibv_qp_init_attr initial;
  const uint32_t slots;
  const size_t stride;
  const std::unique_ptr<char[]> requests;

  ibv_qp_attr attributes{};
  Device *destination = nullptr; ///< by its GID; nullptr: out of reach
  std::atomic<ibv_qp_state> state{IBV_QPS_RESET};
  SpinLock sending;
  uint32_t executed = 0, posted = 0, lastThread = 0;
  SendCounts sends;
  ReceiveQueue receives;
};

/// Wakes whoever waits for what just changed.
void wake(ReceiveQueue &queue);

int postSend(ibv_qp *qp, ibv_send_wr *request, ibv_send_wr **bad);
int postReceive(ibv_qp *qp, ibv_recv_wr *request, ibv_recv_wr **bad);
int postSharedReceive(ibv_srq *srq, ibv_recv_wr *request, ibv_recv_wr **bad);

} // namespace stand_in
