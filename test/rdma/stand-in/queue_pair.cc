// Queue pairs come and go.
#include "queue_pair.h"
#include "faults.h"
#include "ledger.h"
#include "ring.h"
#include <cerrno>
#include <mutex>

namespace stand_in {

std::atomic<QueuePair *> QueuePair::places[Limits::queuePairs];

static std::mutex mutex;
static std::atomic<uint32_t> placesEnd{0};
static std::atomic<uint64_t> sendSlots[Limits::queuePairs];

/// Number and end in one word: an end never meets the wrong queue pair.
static uint64_t ending(uint32_t number, uint32_t end) { return static_cast<uint64_t>(number) << 32 | end; }

void SendSlots::begin(uint32_t number, uint32_t end) { sendSlots[QueuePair::placeOf(number)] = ending(number, end); }

uint32_t SendSlots::freed(uint32_t number) {
  return static_cast<uint32_t>(sendSlots[QueuePair::placeOf(number)].load(std::memory_order_acquire));
}

void SendSlots::free(uint32_t number, uint32_t end) {
  std::atomic<uint64_t> &slots = sendSlots[QueuePair::placeOf(number)];
  uint64_t now = slots.load(std::memory_order_relaxed);
  while (now >> 32 == number && static_cast<int32_t>(end - static_cast<uint32_t>(now)) > 0)
    if (slots.compare_exchange_weak(now, ending(number, end), std::memory_order_release)) return;
}

static size_t strideOf(const ibv_qp_cap &cap) {
  const size_t sges = cap.max_send_sge * sizeof(ibv_sge), bytes = (cap.max_inline_data + 15) / 16 * 16;
  return sizeof(WorkRequest) + (sges > bytes ? sges : bytes);
}

QueuePair::QueuePair(Domain *domain, const ibv_qp_init_attr &of)
    : domain(domain), device(Device::of(domain->pd.context)),
      doorbell(domain->thread ? domain->thread->doorbell : device->doorbells.next()), sendCompletions(CompletionQueue::of(of.send_cq)),
      receiveCompletions(CompletionQueue::of(of.recv_cq)), shared(of.srq ? SharedReceiveQueue::of(of.srq) : nullptr),
      initial(of), slots(slotsFor(of.cap.max_send_wr)), stride(strideOf(of.cap)),
      requests(new char[slots * stride]), receives(of.srq ? 0 : of.cap.max_recv_wr, of.cap.max_recv_sge) {
  qp.context = domain->pd.context;
  qp.qp_context = of.qp_context;
  qp.pd = &domain->pd;
  qp.send_cq = of.send_cq;
  qp.recv_cq = of.recv_cq;
  qp.srq = of.srq;
  qp.qp_type = of.qp_type;
  doorbell.join(sends);
  domain->users++, sendCompletions->users++, receiveCompletions->users++;
  if (shared) shared->users++;
  ledger.queuePairs++;
}

QueuePair::~QueuePair() {
  doorbell.leave(sends);
  domain->users--, sendCompletions->users--, receiveCompletions->users--;
  if (shared) shared->users--;
  ledger.queuePairs--;
}

bool QueuePair::enlist() {
  static uint32_t next = 0;
  static uint32_t generations[Limits::queuePairs];
  std::lock_guard<std::mutex> lock(mutex);
  for (int tried = 0; tried < Limits::queuePairs; tried++) {
    const uint32_t place = next++ % Limits::queuePairs;
    if (places[place]) continue;
    // 24 bits, as on the wire, and none of the numbers that mean something else there.
    const uint32_t generation = generations[place] = generations[place] % 4094 + 1;
    qp.qp_num = qp.handle = generation * Limits::queuePairs + place;
    SendSlots::begin(qp.qp_num, 0);
    places[place] = this;
    if (place >= placesEnd) placesEnd = place + 1;
    return true;
  }
  return false;
}

uint32_t QueuePair::placesUsed() { return placesEnd; }

void QueuePair::delist() {
  places[placeOf(qp.qp_num)] = nullptr;
  Thread::waitForOthers();
}

QueuePair *QueuePair::find(uint32_t number) {
  QueuePair *found = inPlace(placeOf(number));
  return found && found->qp.qp_num == number ? found : nullptr;
}

void QueuePair::query(ibv_qp_attr &now, ibv_qp_init_attr &then) const {
  now = attributes;
  now.qp_state = now.cur_qp_state = state;
  now.cap = initial.cap;
  now.path_mig_state = IBV_MIG_MIGRATED;
  then = initial;
}

static bool isGranted(const ibv_qp_cap &cap) {
  return cap.max_send_wr <= Limits::workRequests && cap.max_recv_wr <= Limits::workRequests &&
         cap.max_send_sge <= Limits::sges && cap.max_recv_sge <= Limits::sges &&
         cap.max_inline_data <= Limits::inlineBytes;
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_qp *ibv_create_qp(ibv_pd *pd, ibv_qp_init_attr *of) {
  if (failsWithErrno(Verb::createQp)) return nullptr;
  if (of->qp_type != IBV_QPT_RC) return errno = EOPNOTSUPP, nullptr;
  if (!of->send_cq || !of->recv_cq || !isGranted(of->cap)) return errno = EINVAL, nullptr;
  auto *queuePair = new QueuePair(Domain::of(pd), *of);
  if (queuePair->enlist()) return &queuePair->qp;
  delete queuePair;
  return errno = ENOMEM, nullptr;
}

extern "C" int ibv_destroy_qp(ibv_qp *qp) {
  QueuePair *queuePair = QueuePair::of(qp);
  queuePair->retire();
  Context::of(qp->context)->events.purge(qp);
  if (!queuePair->events.settle()) return EBUSY;
  delete queuePair;
  return 0;
}

extern "C" int ibv_query_qp(ibv_qp *qp, ibv_qp_attr *attributes, int, ibv_qp_init_attr *initial) {
  QueuePair::of(qp)->query(*attributes, *initial);
  return 0;
}
