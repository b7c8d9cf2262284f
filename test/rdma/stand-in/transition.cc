// States of a queue pair, and what each way between them asks for.
#include "faults.h"
#include "queue_pair.h"
#include <cerrno>
#include <mutex>

namespace stand_in {

/// For reliable connections, from the InfiniBand specification's table of "modify queue pair".
struct Rule {
  ibv_qp_state from, to;
  int required, optional;
};

static constexpr int path = IBV_QP_ALT_PATH, access = IBV_QP_ACCESS_FLAGS, rnr = IBV_QP_MIN_RNR_TIMER;
static constexpr int timers = IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY;
static constexpr Rule rules[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | access, 0},
    {IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | access},
    {IBV_QPS_INIT, IBV_QPS_RTR,
     IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | rnr,
     path | access | IBV_QP_PKEY_INDEX},
    {IBV_QPS_RTR, IBV_QPS_RTS, timers | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
     IBV_QP_CUR_STATE | path | access | rnr | IBV_QP_PATH_MIG_STATE},
    {IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | path | access | rnr | IBV_QP_PATH_MIG_STATE},
    {IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    {IBV_QPS_SQD, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | path | access | rnr | IBV_QP_PATH_MIG_STATE},
};

static bool isAllowed(ibv_qp_state from, ibv_qp_state to, int mask) {
  mask &= ~IBV_QP_STATE;
  if (to == IBV_QPS_ERR || to == IBV_QPS_RESET) return (mask & ~IBV_QP_CUR_STATE) == 0;
  for (const Rule &rule : rules)
    if (rule.from == from && rule.to == to)
      return (mask & rule.required) == rule.required && (mask & ~(rule.required | rule.optional)) == 0;
  return false;
}

static bool isValid(const ibv_qp_attr &of, int mask) {
  const auto given = [mask](int attribute) { return (mask & attribute) != 0; };
  if (given(IBV_QP_PORT) && of.port_num != 1) return false;
  if (given(IBV_QP_PKEY_INDEX) && of.pkey_index != 0) return false;
  if (given(IBV_QP_PATH_MTU) && (of.path_mtu < IBV_MTU_256 || of.path_mtu > IBV_MTU_4096)) return false;
  // RoCE has no addresses but global ones.
  if (given(IBV_QP_AV) && !of.ah_attr.is_global) return false;
  if (given(IBV_QP_AV) && (of.ah_attr.grh.sgid_index >= Limits::gids || of.ah_attr.port_num != 1)) return false;
  if (given(IBV_QP_MAX_QP_RD_ATOMIC) && of.max_rd_atomic > Limits::readsInFlight) return false;
  if (given(IBV_QP_MAX_DEST_RD_ATOMIC) && of.max_dest_rd_atomic > Limits::readsInFlight) return false;
  if (given(IBV_QP_RETRY_CNT) && of.retry_cnt > 7) return false;
  if (given(IBV_QP_RNR_RETRY) && of.rnr_retry > 7) return false;
  if (given(IBV_QP_TIMEOUT) && of.timeout > 31) return false;
  if (given(IBV_QP_MIN_RNR_TIMER) && of.min_rnr_timer > 31) return false;
  if (given(IBV_QP_DEST_QPN) && of.dest_qp_num >> 24 != 0) return false;
  return true;
}

/// Remembers what was given.
static void assign(ibv_qp_attr &now, const ibv_qp_attr &to, int mask) {
  if (mask & IBV_QP_ACCESS_FLAGS) now.qp_access_flags = to.qp_access_flags;
  if (mask & IBV_QP_PKEY_INDEX) now.pkey_index = to.pkey_index;
  if (mask & IBV_QP_PORT) now.port_num = to.port_num;
  if (mask & IBV_QP_AV) now.ah_attr = to.ah_attr;
  if (mask & IBV_QP_PATH_MTU) now.path_mtu = to.path_mtu;
  if (mask & IBV_QP_TIMEOUT) now.timeout = to.timeout;
  if (mask & IBV_QP_RETRY_CNT) now.retry_cnt = to.retry_cnt;
  if (mask & IBV_QP_RNR_RETRY) now.rnr_retry = to.rnr_retry;
  if (mask & IBV_QP_RQ_PSN) now.rq_psn = to.rq_psn & 0xffffff;
  if (mask & IBV_QP_SQ_PSN) now.sq_psn = to.sq_psn & 0xffffff;
  if (mask & IBV_QP_MAX_QP_RD_ATOMIC) now.max_rd_atomic = to.max_rd_atomic;
  if (mask & IBV_QP_MAX_DEST_RD_ATOMIC) now.max_dest_rd_atomic = to.max_dest_rd_atomic;
  if (mask & IBV_QP_MIN_RNR_TIMER) now.min_rnr_timer = to.min_rnr_timer;
  if (mask & IBV_QP_DEST_QPN) now.dest_qp_num = to.dest_qp_num;
}

int QueuePair::modify(const ibv_qp_attr &to, int mask) {
  Presence presence;
  Aftermath after;
  {
    std::lock_guard<SpinLock> lock(sending);
    const ibv_qp_state now = state, next = (mask & IBV_QP_STATE) != 0 ? to.qp_state : now;
    if ((mask & IBV_QP_CUR_STATE) != 0 && to.cur_qp_state != now) return EINVAL;
    if (!isAllowed(now, next, mask) || !isValid(to, mask)) return EINVAL;
    assign(attributes, to, mask);
    if (mask & IBV_QP_AV) destination = Device::withGid(to.ah_attr.grh.dgid);
    if (next == IBV_QPS_ERR) enterError();
    else if (next == IBV_QPS_RESET) reset();
    else setState(next);
    after = progress();
    const bool tells = (mask & IBV_QP_EN_SQD_ASYNC_NOTIFY) != 0 && to.en_sqd_async_notify;
    if (next == IBV_QPS_SQD && tells) tell(IBV_EVENT_SQ_DRAINED);
  }
  settle(after);
  wakeWaiters();
  return 0;
}

void QueuePair::setState(ibv_qp_state to) {
  std::lock_guard<SpinLock> lock(receives.lock);
  state = qp.state = to;
}

void QueuePair::reset() {
  std::lock_guard<SpinLock> lock(receives.lock);
  state = qp.state = IBV_QPS_RESET;
  receives.clear();
  executed = posted;
  SendSlots::free(qp.qp_num, posted);
  attributes = {};
}

/// The lock of the sends is the caller's, who flushes them by progress().
void QueuePair::enterError() {
  std::lock_guard<SpinLock> lock(receives.lock);
  if (state == IBV_QPS_ERR) return;
  state = qp.state = IBV_QPS_ERR;
  flushReceives();
  if (shared) tell(IBV_EVENT_QP_LAST_WQE_REACHED);
}

void QueuePair::fail(int event) {
  Aftermath after;
  {
    std::lock_guard<SpinLock> lock(sending);
    if (state == IBV_QPS_ERR || state == IBV_QPS_RESET) return;
    enterError();
    after = progress();
  }
  after.failed = true;
  settle(after);
  if (event != noEvent) tell(event);
}

void QueuePair::retire() {
  {
    std::lock_guard<SpinLock> lock(sending);
    setState(IBV_QPS_ERR);
    executed = posted;
  }
  delist();
  wakeWaiters();
}

void QueuePair::tell(int event) { Context::of(qp.context)->events.push({&qp, event, &events}); }

} // namespace stand_in

using namespace stand_in;

extern "C" int ibv_modify_qp(ibv_qp *qp, ibv_qp_attr *attributes, int mask) {
  if (const int error = faults.next(Verb::modifyQp)) return error;
  return QueuePair::of(qp)->modify(*attributes, mask);
}
