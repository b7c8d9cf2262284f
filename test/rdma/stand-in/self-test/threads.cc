// Several threads.
#include "cases.h"
#include "rig.h"
#include <atomic>
#include <cerrno>
#include <thread>

void threadDomainsBelongToOneThread() {
  Options own;
  own.threadDomain = true;
  Pair pair(own);
  EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b), 0);
  ibv_sge local = pair.a.sge(0, 8);
  ibv_send_wr second = pair.a.request(IBV_WR_RDMA_WRITE, pair.b, &local), first = second, *bad;
  first.next = &second;
  EQUAL(ibv_post_send(pair.a.qp, &first, &bad), 0);
  EQUAL(stand_in_doorbells(pair.a.td), 2);
  EQUAL(stand_in_thread_domain_work(pair.a.td).sends, 3);
  EQUAL(stand_in_violations(), 0);
  std::thread([&] { pair.a.next(); }).join();
  EQUAL(stand_in_violations(), 1);
  EQUAL(std::strcmp(stand_in_last_violation(), "ibv_poll_cq"), 0);
  std::thread([&] { pair.b.none(); }).join();
  EQUAL(stand_in_violations(), 1);
  EQUAL(ibv_dealloc_td(pair.a.td), EBUSY);
  stand_in_reset();
}

void sharedDoorbellsGoByTurnsAndAreLocked() {
  stand_in_reset();
  EQUAL(stand_in_limit_doorbells(0), EINVAL);
  EQUAL(stand_in_limit_doorbells(STAND_IN_DOORBELLS + 1), EINVAL);
  EQUAL(stand_in_limit_doorbells(2), 0);
  // Of the first device's queue pairs, the first and the third share a doorbell.
  Pair first, second, third;
  const auto writes = [](Pair &pair, int times) {
    for (int time = 0; time < times; time++) {
      EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b, 32, IBV_SEND_SIGNALED | IBV_SEND_INLINE), 0);
      pair.a.next();
    }
  };
  constexpr int times = 20000;
  std::thread other([&] { writes(third, times); });
  writes(first, times);
  other.join();
  writes(second, 3);
  stand_in_work works[STAND_IN_DOORBELLS];
  EQUAL(stand_in_shared_doorbells(0, works, STAND_IN_DOORBELLS), 2);
  const stand_in_work &both = works[works[0].doorbells < works[1].doorbells], &one = works[&both == works];
  EQUAL(both.doorbells, 2 * times);
  EQUAL(both.inline_sends, 2 * times);
  EQUAL(both.threads, 2);
  CHECK(both.contended <= both.doorbells);
  EQUAL(one.doorbells, 3);
  EQUAL(one.threads, 1);
  EQUAL(one.contended, 0);
  EQUAL(stand_in_shared_work().sends, 2 * times + 3);
  EQUAL(stand_in_shared_work().polls, 2 * times + 3);
  EQUAL(stand_in_ring(0, 0, 5), 0);
  EQUAL(stand_in_ring(0, STAND_IN_DOORBELLS, 1), EINVAL);
  EQUAL(stand_in_shared_work().doorbells, 2 * times + 3);
  stand_in_reset();
  EQUAL(stand_in_shared_work().polls, 0);
  EQUAL(stand_in_shared_doorbells(0, nullptr, 0), STAND_IN_DOORBELLS);
}

static ibv_wc await(End &end) {
  ibv_wc completion;
  for (int idle = 0; ibv_poll_cq(end.cq, 1, &completion) == 0; idle++)
    if (idle > 200) std::this_thread::yield();
  EQUAL(completion.status, IBV_WC_SUCCESS);
  return completion;
}

void twoThreadsPlayPingPong() {
  Options own;
  own.threadDomain = true;
  Pair pair(own, own);
  constexpr int rounds = 20000;
  const auto turns = [](End &me, End &peer, bool serves) {
    for (int round = 0; round < rounds; round++) {
      EQUAL(me.receive(64), 0);
      if (!serves) {
        std::memcpy(me.memory.data(), &round, sizeof round);
        EQUAL(me.send(IBV_WR_SEND, peer), 0);
      }
      while ((await(me).opcode & IBV_WC_RECV) == 0) continue;
      int heard;
      std::memcpy(&heard, me.memory.data() + 4096, sizeof heard);
      EQUAL(heard, round);
      if (!serves) continue;
      std::memcpy(me.memory.data(), &heard, sizeof heard);
      EQUAL(me.send(IBV_WR_SEND, peer), 0);
    }
  };
  std::thread server([&] { turns(pair.b, pair.a, true); });
  turns(pair.a, pair.b, false);
  server.join();
  EQUAL(stand_in_violations(), 0);
  EQUAL(stand_in_doorbells(pair.a.td), rounds);
  EQUAL(stand_in_overruns(), 0);
}

/// Churn beside traffic: queue pairs and regions go while others are written to.
void destroyingWaitsForThoseWhoWrite() {
  Pair steady;
  std::atomic<bool> ended{false};
  std::thread churn([&] {
    for (int round = 0; round < 300; round++) {
      Pair passing;
      EQUAL(passing.a.send(IBV_WR_RDMA_WRITE, passing.b), 0);
      passing.a.next();
    }
    ended = true;
  });
  while (!ended) {
    EQUAL(steady.a.send(IBV_WR_RDMA_WRITE, steady.b, 4096), 0);
    EQUAL(steady.a.next().status, IBV_WC_SUCCESS);
  }
  churn.join();
}
