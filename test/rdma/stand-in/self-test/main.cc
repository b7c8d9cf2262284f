// The stand-in against what verbs promise. Prints a line a case, and exits with 1 at the first that fails.
#include "cases.h"
#include "rig.h"
#include <ctime>
#include <functional>

/// Of this thread: other work on the machine does not count.
static double nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static double nanosecondsEach(int rounds, const std::function<void()> &round) {
  const double start = nanoseconds();
  for (int at = 0; at < rounds; at++) round();
  return (nanoseconds() - start) / rounds;
}

static void operationsCostLittle() {
  Options own;
  own.threadDomain = true;
  Pair pair(own, own);
  const double empty = nanosecondsEach(100000, [&] { pair.a.none(); });
  const double write = nanosecondsEach(100000, [&] {
    pair.a.send(IBV_WR_RDMA_WRITE, pair.b);
    pair.a.next();
  });
  const double send = nanosecondsEach(100000, [&] {
    pair.b.receive();
    pair.a.send(IBV_WR_SEND, pair.b);
    pair.a.next(), pair.b.next();
  });
  std::printf("an empty poll %.0f ns; write and poll %.0f ns; receive, send and two polls %.0f ns\n", empty, write, send);
}

static void nothingIsLeft() {
  const stand_in_ledger live = stand_in_live(), none{};
  EQUAL(std::memcmp(&live, &none, sizeof none), 0);
  EQUAL(stand_in_thread_domains(nullptr, 0), 0);
}

#define CASE(name) {#name, name}

int main() {
  const struct {
    const char *name;
    void (*run)();
  } cases[] = {
      CASE(everyOperationMovesItsBytes),
      CASE(atomicsGiveWhatWasThere),
      CASE(piecesAreGatheredAndInlineBytesAreTakenAtOnce),
      CASE(keysBoundsAndAccessAreChecked),
      CASE(localKeysAndRoomAreChecked),
      CASE(sendsWaitForReceives),
      CASE(retriesEndWhenThePeerHasGone),
      CASE(statesComeInTheirOrder),
      CASE(sendSlotsComeBackWhenPolled),
      CASE(channelsTellOfWhatComesAfterArming),
      CASE(failuresComeOnDemand),
      CASE(heldRequestsAreInFlight),
      CASE(heldRequestsGoByServiceLevelAndByTurns),
      CASE(threadDomainsBelongToOneThread),
      CASE(sharedDoorbellsGoByTurnsAndAreLocked),
      CASE(twoThreadsPlayPingPong),
      CASE(destroyingWaitsForThoseWhoWrite),
      CASE(operationsCostLittle),
      CASE(nothingIsLeft),
  };
  for (const auto &one : cases) {
    one.run();
    std::printf("ok %s\n", one.name);
  }
}
