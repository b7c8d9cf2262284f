#include "transfer.h"
#include "faults.h"
#include "memory_region.h"
#include <cstring>
#include <mutex>

namespace stand_in {

bool Transfer::Spans::add(const ibv_sge *sges, uint32_t more, const Domain *domain, int access) {
  for (uint32_t at = 0; at < more; at++) {
    const ibv_sge &sge = sges[at];
    if (sge.length == 0) continue;
    char *memory = MemoryRegion::local(sge.lkey, sge.addr, sge.length, domain, access);
    if (!memory) return false;
    add(memory, sge.length);
  }
  return true;
}

/// To the end of `from`.
void Transfer::copy(const Spans &from, const Spans &to) {
  uint32_t into = 0, filled = 0;
  for (uint32_t at = 0; at < from.count; at++) {
    for (uint32_t taken = 0; taken < from.spans[at].size;) {
      const Span &target = to.spans[into];
      const uint32_t left = from.spans[at].size - taken, room = target.size - filled, size = left < room ? left : room;
      std::memmove(target.at + filled, from.spans[at].at + taken, size);
      taken += size, filled += size;
      if (filled == target.size) into++, filled = 0;
    }
  }
}

Transfer::Outcome Transfer::run() {
  if (const int status = faults.nextSend()) return failed(static_cast<ibv_wc_status>(status));
  switch (reach()) {
    case Reach::never:
      return failed(IBV_WC_RETRY_EXC_ERR);
    case Reach::notYet:
      return {IBV_WC_SUCCESS, 0, true};
    case Reach::ready:
      break;
  }
  if (!gather()) return failed(IBV_WC_LOC_PROT_ERR);
  if (local.bytes > Limits::messageBytes || (request.isAtomic() && local.bytes != 8)) return failed(IBV_WC_LOC_LEN_ERR);
  if (request.readsRemote() && from.attributes.max_rd_atomic == 0) return failed(IBV_WC_LOC_QP_OP_ERR);
  return request.takesReceive() ? receive() : oneSided();
}

/// Whether both ends were told of each other.
bool Transfer::meets() const {
  return to->attributes.dest_qp_num == from.qp.qp_num && to->attributes.rq_psn == from.attributes.sq_psn;
}

Transfer::Reach Transfer::reach() {
  to = QueuePair::find(from.attributes.dest_qp_num);
  if (!to || to->device != from.destination || !from.device->active() || !to->device->active()) return Reach::never;
  ibv_qp_state state = to->state.load(std::memory_order_acquire);
  if (state == IBV_QPS_INIT) {
    std::lock_guard<SpinLock> lock(to->receives.lock);
    state = to->state;
    if (state == IBV_QPS_INIT) return to->receives.waiters.add(QueuePair::placeOf(from.qp.qp_num)), Reach::notYet;
  }
  const bool hears = state == IBV_QPS_RTR || state == IBV_QPS_RTS || state == IBV_QPS_SQD;
  return hears && meets() ? Reach::ready : Reach::never;
}

bool Transfer::gather() {
  if (request.isInline()) {
    // Only ever read from.
    local.add(const_cast<char *>(request.bytes()), request.inlineBytes);
    return true;
  }
  const int access = request.readsRemote() ? IBV_ACCESS_LOCAL_WRITE : 0;
  return local.add(request.sges(), request.count, from.domain->base, access);
}

/// @returns why the peer's memory is not to be touched; IBV_WC_SUCCESS: it may be, `at`
ibv_wc_status Transfer::remote(char *&at) {
  const int access = request.isAtomic()                       ? IBV_ACCESS_REMOTE_ATOMIC
                     : request.opcode == IBV_WR_RDMA_READ ? IBV_ACCESS_REMOTE_READ
                                                              : IBV_ACCESS_REMOTE_WRITE;
  if ((to->attributes.qp_access_flags & access) == 0) return IBV_WC_REM_INV_REQ_ERR;
  if (request.readsRemote() && to->attributes.max_dest_rd_atomic == 0) return IBV_WC_REM_INV_REQ_ERR;
  if (request.isAtomic() && request.remoteAddress % 8 != 0) return IBV_WC_REM_INV_REQ_ERR;
  // No bytes, no check: so the specification.
  if (local.bytes == 0) return IBV_WC_SUCCESS;
  at = MemoryRegion::remote(request.rkey, request.remoteAddress, local.bytes, to->domain->base, access);
  return at ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR;
}

static int eventOf(ibv_wc_status status) {
  return status == IBV_WC_REM_ACCESS_ERR ? IBV_EVENT_QP_ACCESS_ERR : IBV_EVENT_QP_REQ_ERR;
}

/// An atomic operation; what was there before goes to the sender.
static uint64_t exchangeAt(char *at, const WorkRequest &request) {
  auto *word = reinterpret_cast<uint64_t *>(at);
  if (request.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
    return __atomic_fetch_add(word, request.compareAdd, __ATOMIC_SEQ_CST);
  uint64_t before = request.compareAdd;
  __atomic_compare_exchange_n(word, &before, request.swap, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return before;
}

Transfer::Outcome Transfer::oneSided() {
  const ibv_wc_status status = remote(memory);
  if (status != IBV_WC_SUCCESS) return refused(status, eventOf(status));
  uint64_t before;
  Spans there;
  if (request.isAtomic()) {
    before = exchangeAt(memory, request);
    there.add(reinterpret_cast<char *>(&before), sizeof before);
  } else {
    there.add(memory, static_cast<uint32_t>(local.bytes));
  }
  if (request.readsRemote()) copy(there, local);
  else copy(local, there);
  return {IBV_WC_SUCCESS, static_cast<uint32_t>(local.bytes)};
}

Transfer::Outcome Transfer::receive() {
  if (!request.isSend()) {
    const ibv_wc_status status = remote(memory);
    if (status != IBV_WC_SUCCESS) return refused(status, eventOf(status));
  }
  alignas(Receive) char copied[sizeof(Receive) + Limits::sges * sizeof(ibv_sge)];
  {
    ReceiveQueue &queue = receives();
    std::lock_guard<SpinLock> lock(queue.lock);
    if (to->state.load(std::memory_order_relaxed) == IBV_QPS_ERR) return failed(IBV_WC_RETRY_EXC_ERR);
    const Receive *first = queue.front();
    if (!first) {
      if (from.attributes.rnr_retry != 7) return failed(IBV_WC_RNR_RETRY_EXC_ERR);
      queue.waiters.add(QueuePair::placeOf(from.qp.qp_num));
      return {IBV_WC_SUCCESS, 0, true};
    }
    std::memcpy(copied, first, sizeof(Receive) + first->count * sizeof(ibv_sge));
    queue.pop();
  }
  return scatter(*reinterpret_cast<const Receive *>(copied));
}

Transfer::Outcome Transfer::scatter(const Receive &into) {
  Spans there;
  if (!request.isSend()) {
    there.add(memory, static_cast<uint32_t>(local.bytes));
  } else {
    const Domain *domain = to->shared ? to->shared->domain->base : to->domain->base;
    if (!there.add(into.sges, into.count, domain, IBV_ACCESS_LOCAL_WRITE))
      return failReceive(into, IBV_WC_LOC_PROT_ERR, IBV_WC_REM_OP_ERR);
    if (there.bytes < local.bytes) return failReceive(into, IBV_WC_LOC_LEN_ERR, IBV_WC_REM_INV_REQ_ERR);
  }
  copy(local, there);
  completeReceive(into);
  return {IBV_WC_SUCCESS, static_cast<uint32_t>(local.bytes)};
}

void Transfer::completeReceive(const Receive &receive) const {
  ibv_wc completion{};
  completion.wr_id = receive.id;
  completion.opcode = request.isSend() ? IBV_WC_RECV : IBV_WC_RECV_RDMA_WITH_IMM;
  completion.byte_len = static_cast<uint32_t>(local.bytes);
  completion.qp_num = to->qp.qp_num;
  completion.src_qp = from.qp.qp_num;
  if (request.hasImmediate()) {
    completion.imm_data = request.immediate;
    completion.wc_flags = IBV_WC_WITH_IMM;
  }
  to->receiveCompletions->push(completion, CompletionQueue::noSend, (request.flags & IBV_SEND_SOLICITED) != 0);
}

Transfer::Outcome Transfer::failReceive(const Receive &receive, ibv_wc_status there, ibv_wc_status here) const {
  const ibv_wc completion = failedCompletion(receive.id, there, to->qp.qp_num);
  to->receiveCompletions->push(completion, CompletionQueue::noSend, false);
  return refused(here, noEvent);
}

} // namespace stand_in
