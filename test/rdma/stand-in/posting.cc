// The data path of a queue pair: requests in, completions out.
#include "faults.h"
#include "hold.h"
#include "queue_pair.h"
#include "transfer.h"
#include <cerrno>
#include <cstring>
#include <mutex>

namespace stand_in {

static uint64_t bytesOf(const ibv_send_wr &request) {
  uint64_t bytes = 0;
  for (int at = 0; at < request.num_sge; at++) bytes += request.sg_list[at].length;
  return bytes;
}

int QueuePair::refusal(const ibv_send_wr &request) const {
  const ibv_qp_state now = state.load(std::memory_order_relaxed);
  if (now == IBV_QPS_RESET || now == IBV_QPS_INIT || now == IBV_QPS_RTR) return EINVAL;
  if (request.opcode > IBV_WR_ATOMIC_FETCH_AND_ADD) return EINVAL;
  if (request.num_sge < 0 || static_cast<uint32_t>(request.num_sge) > initial.cap.max_send_sge) return EINVAL;
  if (request.send_flags & IBV_SEND_INLINE) {
    if (request.opcode >= IBV_WR_RDMA_READ || bytesOf(request) > initial.cap.max_inline_data) return EINVAL;
  }
  const bool full = posted - SendSlots::freed(qp.qp_num) >= initial.cap.max_send_wr;
  return full ? ENOMEM : 0;
}

static void copyInline(WorkRequest &to, const ibv_send_wr &from) {
  char *end = to.bytes();
  for (int at = 0; at < from.num_sge; at++) {
    const ibv_sge &sge = from.sg_list[at];
    std::memcpy(end, reinterpret_cast<const void *>(sge.addr), sge.length);
    end += sge.length;
  }
  to.count = 0;
  to.inlineBytes = static_cast<uint32_t>(end - to.bytes());
}

static void copyRemote(WorkRequest &to, const ibv_send_wr &from) {
  const bool atomic = to.isAtomic();
  to.remoteAddress = atomic ? from.wr.atomic.remote_addr : from.wr.rdma.remote_addr;
  to.rkey = atomic ? from.wr.atomic.rkey : from.wr.rdma.rkey;
  to.compareAdd = from.wr.atomic.compare_add;
  to.swap = from.wr.atomic.swap;
}

int QueuePair::push(const ibv_send_wr &from) {
  if (const int error = refusal(from)) return error;
  WorkRequest &to = *slot(posted);
  to.id = from.wr_id;
  to.opcode = from.opcode;
  to.flags = from.send_flags;
  to.immediate = from.imm_data;
  copyRemote(to, from);
  if (to.isInline()) {
    copyInline(to, from);
  } else {
    to.count = from.num_sge;
    if (from.num_sge > 0) std::memcpy(to.sges(), from.sg_list, from.num_sge * sizeof(ibv_sge));
  }
  posted++;
  return 0;
}

/// As a driver does, with the queue pair locked, before the device does anything.
void QueuePair::ring(uint32_t count, uint32_t inlined) {
  const uint32_t me = Thread::current().serial;
  if (lastThread != me) doorbell.usedBy(lastThread = me);
  const bool waited = doorbell.ring(count == 1 && inlined == 1 ? slot(posted - 1) : nullptr);
  add(sends.doorbells, 1), add(sends.sends, count), add(sends.inlineSends, inlined), add(sends.contended, waited);
}

int QueuePair::postSends(ibv_send_wr *request, ibv_send_wr **bad) {
  if (domain->thread) domain->thread->used("ibv_post_send");
  int error = faults.next(Verb::postSend);
  uint32_t count = 0, inlined = 0;
  Presence presence;
  Aftermath after;
  {
    std::lock_guard<SpinLock> lock(sending);
    for (; request && !error; count++, request = request->next) {
      if ((error = push(*request))) break;
      inlined += (request->send_flags & IBV_SEND_INLINE) != 0;
    }
    if (count) ring(count, inlined);
    after = progress();
  }
  if (error) *bad = request;
  settle(after);
  return error;
}

int QueuePair::postReceives(ibv_recv_wr *request, ibv_recv_wr **bad) {
  if (domain->thread) domain->thread->used("ibv_post_recv");
  int error = faults.next(Verb::postRecv);
  if (shared) error = EINVAL;
  uint32_t count = 0;
  bool waitedFor;
  {
    std::lock_guard<SpinLock> lock(receives.lock);
    if (state.load(std::memory_order_relaxed) == IBV_QPS_RESET) error = EINVAL;
    for (; request && !error; count++, request = request->next)
      if ((error = receives.push(*request))) break;
    if (state.load(std::memory_order_relaxed) == IBV_QPS_ERR) flushReceives();
    waitedFor = receives.waiters.any();
  }
  if (error) *bad = request;
  if (count) domain->queues().posted(count);
  if (waitedFor) wake(receives);
  return error;
}

/// Executes requests in their order until one has to wait. The lock of the sends is the caller's, who is present.
Aftermath QueuePair::progress() {
  Aftermath after;
  while (executed != posted) {
    const WorkRequest &request = *slot(executed);
    const ibv_qp_state now = state.load(std::memory_order_relaxed);
    if (now == IBV_QPS_ERR) {
      executed++;
      complete(request, IBV_WC_WR_FLUSH_ERR, 0);
      continue;
    }
    if (now != IBV_QPS_RTS || !hold.pass()) break;
    const Transfer::Outcome outcome = Transfer(*this, request).run();
    if (outcome.waits) {
      hold.passedInVain();
      break;
    }
    executed++;
    complete(request, outcome.status, outcome.bytes);
    if (outcome.status == IBV_WC_SUCCESS) continue;
    after = {true, outcome.brokenPeer, outcome.peerEvent};
    enterError();
  }
  return after;
}

static ibv_wc_opcode completionOf(ibv_wr_opcode opcode) {
  static constexpr ibv_wc_opcode opcodes[] = {IBV_WC_RDMA_WRITE, IBV_WC_RDMA_WRITE, IBV_WC_SEND, IBV_WC_SEND,
                                              IBV_WC_RDMA_READ,  IBV_WC_COMP_SWAP,  IBV_WC_FETCH_ADD};
  return opcodes[opcode];
}

void QueuePair::complete(const WorkRequest &request, ibv_wc_status status, uint32_t bytes) {
  if (status != IBV_WC_SUCCESS) {
    sendCompletions->push(failedCompletion(request.id, status, qp.qp_num), executed, false);
    return;
  }
  if (!initial.sq_sig_all && (request.flags & IBV_SEND_SIGNALED) == 0) return;
  ibv_wc completion{};
  completion.wr_id = request.id;
  completion.qp_num = qp.qp_num;
  completion.opcode = completionOf(request.opcode);
  completion.byte_len = bytes;
  sendCompletions->push(completion, executed, false);
}

/// The lock of the receives is the caller's.
void QueuePair::flushReceives() {
  for (; const Receive *receive = receives.front(); receives.pop()) {
    const ibv_wc completion = failedCompletion(receive->id, IBV_WC_WR_FLUSH_ERR, qp.qp_num);
    receiveCompletions->push(completion, CompletionQueue::noSend, false);
  }
}

void QueuePair::settle(const Aftermath &after) {
  if (after.failed) wakeWaiters();
  if (after.brokenPeer == 0) return;
  Presence presence;
  if (QueuePair *peer = find(after.brokenPeer)) peer->fail(after.peerEvent);
}

void QueuePair::kick() {
  Presence presence;
  Aftermath after;
  {
    std::lock_guard<SpinLock> lock(sending);
    after = progress();
  }
  settle(after);
}

void QueuePair::wakeWaiters() {
  wake(receives);
  if (shared) wake(shared->receives);
}

void wake(ReceiveQueue &queue) {
  Waiters::Places places;
  {
    std::lock_guard<SpinLock> lock(queue.lock);
    if (!queue.waiters.any()) return;
    places = queue.waiters.take();
  }
  Presence presence;
  for (uint32_t word = 0; word < places.size(); word++)
    for (uint64_t left = places[word]; left != 0; left &= left - 1)
      if (QueuePair *waiting = QueuePair::inPlace(word * 64 + __builtin_ctzll(left))) waiting->kick();
}

int postSend(ibv_qp *qp, ibv_send_wr *request, ibv_send_wr **bad) {
  return QueuePair::of(qp)->postSends(request, bad);
}

int postReceive(ibv_qp *qp, ibv_recv_wr *request, ibv_recv_wr **bad) {
  return QueuePair::of(qp)->postReceives(request, bad);
}

} // namespace stand_in
