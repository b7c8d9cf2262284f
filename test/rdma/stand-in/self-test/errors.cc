// What goes wrong, by itself and on demand.
#include "cases.h"
#include "rig.h"
#include <cerrno>
#include <sys/mman.h>

/// The request fails with REM_ACCESS_ERR, the next is flushed, and both ends are in error.
static void isRefused(Pair &pair, ibv_send_wr request) {
  End &a = pair.a, &b = pair.b;
  EQUAL(a.receive(), 0);
  EQUAL(b.receive(), 0);
  EQUAL(a.post(request), 0);
  EQUAL(a.next().status, IBV_WC_REM_ACCESS_ERR);
  EQUAL(a.next().status, IBV_WC_WR_FLUSH_ERR);
  EQUAL(b.next().status, IBV_WC_WR_FLUSH_ERR);
  EQUAL(a.state(), IBV_QPS_ERR);
  EQUAL(b.state(), IBV_QPS_ERR);
  ibv_async_event event;
  EQUAL(ibv_get_async_event(b.context, &event), 0);
  EQUAL(event.event_type, IBV_EVENT_QP_ACCESS_ERR);
  CHECK(event.element.qp == b.qp);
  ibv_ack_async_event(&event);
  EQUAL(a.send(IBV_WR_RDMA_WRITE, b), 0);
  EQUAL(a.next().status, IBV_WC_WR_FLUSH_ERR);
}

void keysBoundsAndAccessAreChecked() {
  const auto refused = [](Options options, auto &&spoil, ibv_wr_opcode opcode) {
    Pair pair({}, options);
    ibv_sge local = pair.a.sge(0, 64);
    ibv_send_wr request = pair.a.request(opcode, pair.b, &local, 0);
    spoil(request, pair.b);
    isRefused(pair, request);
  };
  const auto nothing = [](ibv_send_wr &, End &) {};
  Options readOnly, writeOnly;
  readOnly.access = IBV_ACCESS_REMOTE_READ;
  writeOnly.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
  refused({}, [](ibv_send_wr &request, End &b) { request.wr.rdma.rkey = b.mr->lkey; }, IBV_WR_RDMA_WRITE);
  refused({}, [](ibv_send_wr &request, End &) { request.wr.rdma.remote_addr += 8192 - 63; }, IBV_WR_RDMA_WRITE);
  refused({}, [](ibv_send_wr &request, End &) { request.wr.rdma.remote_addr -= 1; }, IBV_WR_RDMA_READ);
  refused(readOnly, nothing, IBV_WR_RDMA_WRITE);
  refused(writeOnly, nothing, IBV_WR_RDMA_READ);
  refused({}, [](ibv_send_wr &, End &b) {
    EQUAL(ibv_dereg_mr(b.mr), 0);
    b.mr = ibv_reg_mr(b.pd, b.memory.data(), b.memory.size(), everyAccess);
  }, IBV_WR_RDMA_READ);
}

void localKeysAndRoomAreChecked() {
  Pair pair, other;
  ibv_sge local = pair.a.sge(0, 64);
  local.lkey = pair.a.mr->rkey;
  EQUAL(pair.a.post(pair.a.request(IBV_WR_RDMA_WRITE, pair.b, &local)), 0);
  EQUAL(pair.a.next().status, IBV_WC_LOC_PROT_ERR);
  EQUAL(other.b.receive(16), 0);
  EQUAL(other.a.send(IBV_WR_SEND, other.b), 0);
  EQUAL(other.a.next().status, IBV_WC_REM_INV_REQ_ERR);
  EQUAL(other.b.next().status, IBV_WC_LOC_LEN_ERR);
  EQUAL(other.b.state(), IBV_QPS_ERR);
}

void sendsWaitForReceives() {
  for (const bool shared : {false, true}) {
    Options options;
    options.sharedReceives = shared;
    Pair pair({}, options);
    EQUAL(pair.a.send(IBV_WR_SEND, pair.b, 64, IBV_SEND_SIGNALED, 1), 0);
    EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b, 64, IBV_SEND_SIGNALED, 2), 0);
    pair.a.none();
    EQUAL(pair.b.receive(), 0);
    EQUAL(pair.a.next().wr_id, 1);
    EQUAL(pair.a.next().wr_id, 2);
    EQUAL(pair.b.next().wr_id, 100);
  }
  Pair impatient({}, {}, 3);
  EQUAL(impatient.a.send(IBV_WR_SEND, impatient.b), 0);
  EQUAL(impatient.a.next().status, IBV_WC_RNR_RETRY_EXC_ERR);
}

void retriesEndWhenThePeerHasGone() {
  Pair gone, waiting, down;
  EQUAL(gone.b.modify(IBV_QPS_ERR), 0);
  EQUAL(gone.a.send(IBV_WR_RDMA_WRITE, gone.b), 0);
  EQUAL(gone.a.next().status, IBV_WC_RETRY_EXC_ERR);
  EQUAL(waiting.a.send(IBV_WR_SEND, waiting.b), 0);
  waiting.a.none();
  EQUAL(waiting.b.modify(IBV_QPS_RESET), 0);
  EQUAL(waiting.a.next().status, IBV_WC_RETRY_EXC_ERR);
  EQUAL(stand_in_set_port_state(1, IBV_PORT_DOWN), 0);
  ibv_port_attr port;
  EQUAL(ibv_query_port(down.b.context, 1, &port), 0);
  EQUAL(port.state, IBV_PORT_DOWN);
  ibv_async_event event;
  EQUAL(ibv_get_async_event(down.b.context, &event), 0);
  EQUAL(event.event_type, IBV_EVENT_PORT_ERR);
  EQUAL(event.element.port_num, 1);
  EQUAL(down.a.send(IBV_WR_RDMA_WRITE, down.b), 0);
  EQUAL(down.a.next().status, IBV_WC_RETRY_EXC_ERR);
  stand_in_reset();
}

void statesComeInTheirOrder() {
  End a(0), b(1);
  EQUAL(a.toReady(b), EINVAL);
  EQUAL(a.receive(), EINVAL);
  EQUAL(a.toInit(), 0);
  EQUAL(a.receive(), 0);
  EQUAL(a.send(IBV_WR_RDMA_WRITE, b), EINVAL);
  EQUAL(a.toSend(), EINVAL);
  EQUAL(a.toReady(b), 0);
  EQUAL(a.toSend(), 0);
  // Heard once the peer is ready.
  EQUAL(b.toInit(), 0);
  EQUAL(a.send(IBV_WR_RDMA_WRITE, b), 0);
  a.none();
  EQUAL(b.toReady(a), 0);
  EQUAL(a.next().status, IBV_WC_SUCCESS);
}

void failuresComeOnDemand() {
  Pair pair;
  char byte;
  EQUAL(stand_in_fail_next("ibv_reg_mr", ENOMEM, 1), 0);
  CHECK(!ibv_reg_mr(pair.a.pd, &byte, 1, 0));
  EQUAL(errno, ENOMEM);
  stand_in_limit_registered_bytes(stand_in_live().registered_bytes + 8);
  CHECK(!ibv_reg_mr(pair.a.pd, pair.a.memory.data(), 9, 0));
  EQUAL(errno, ENOMEM);
  void *guard = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(!ibv_reg_mr(pair.a.pd, guard, 1, 0));
  EQUAL(errno, EFAULT);
  munmap(guard, 4096);
  stand_in_fail_sends(IBV_WC_RETRY_EXC_ERR, 1);
  EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b), 0);
  EQUAL(pair.a.next().status, IBV_WC_RETRY_EXC_ERR);
  EQUAL(stand_in_fail_queue_pair(pair.b.qp->qp_num), 0);
  ibv_async_event event;
  EQUAL(ibv_get_async_event(pair.b.context, &event), 0);
  EQUAL(event.event_type, IBV_EVENT_QP_FATAL);
  ibv_ack_async_event(&event);
  stand_in_reset();
}

void heldRequestsGoByServiceLevelAndByTurns() {
  Options urgent;
  urgent.serviceLevel = 5;
  Pair first, second, third(urgent);
  stand_in_hold();
  for (Pair *pair : {&first, &second, &third})
    for (uint64_t id = 1; id <= 2; id++)
      EQUAL(pair->a.send(IBV_WR_RDMA_WRITE, pair->b, 8, IBV_SEND_SIGNALED, id), 0);
  EQUAL(stand_in_step(2), 2);
  EQUAL(third.a.next().wr_id, 1);
  EQUAL(third.a.next().wr_id, 2);
  first.a.none(), second.a.none();
  EQUAL(stand_in_step(2), 2);
  EQUAL(first.a.next().wr_id, 1);
  EQUAL(second.a.next().wr_id, 1);
  EQUAL(stand_in_step(9), 2);
  EQUAL(first.a.next().wr_id, 2);
  EQUAL(second.a.next().wr_id, 2);
  stand_in_release();
}

void heldRequestsAreInFlight() {
  Pair pair;
  stand_in_hold();
  for (uint64_t id = 1; id <= 3; id++) EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b, 8, IBV_SEND_SIGNALED, id), 0);
  pair.a.none();
  EQUAL(stand_in_step(1), 1);
  EQUAL(pair.a.next().wr_id, 1);
  pair.a.none();
  EQUAL(ibv_dereg_mr(pair.b.mr), 0);
  stand_in_release();
  EQUAL(pair.a.next().status, IBV_WC_REM_ACCESS_ERR);
  EQUAL(pair.a.next().status, IBV_WC_WR_FLUSH_ERR);
  pair.b.mr = ibv_reg_mr(pair.b.pd, pair.b.memory.data(), 8, 0);
}
