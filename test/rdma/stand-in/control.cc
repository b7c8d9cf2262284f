// What tests do to queue pairs from outside.
#include "device.h"
#include "faults.h"
#include "hold.h"
#include "ledger.h"
#include "queue_pair.h"
#include "stand_in.h"
#include <cerrno>

namespace stand_in {

Hold hold;

static void kickAll() {
  Presence presence;
  for (uint32_t place = 0; place < Limits::queuePairs; place++)
    if (QueuePair *queuePair = QueuePair::inPlace(place)) queuePair->kick();
}

/// Executes one held request: the next one of the queue pair whose turn it is, of those with the highest service level.
/// @returns false where no queue pair has a request that can be executed
static bool stepOne() {
  static uint32_t last = 0;
  Presence presence;
  const uint32_t places = QueuePair::placesUsed();
  uint32_t levels = 0;
  for (uint32_t place = 0; place < places; place++)
    if (const QueuePair *queuePair = QueuePair::inPlace(place)) levels |= 1u << queuePair->serviceLevel();
  for (; levels != 0; levels &= ~(1u << (31 - __builtin_clz(levels))))
    for (uint32_t passed = 1; passed <= places; passed++) {
      const uint32_t place = (last + passed) % places;
      QueuePair *queuePair = QueuePair::inPlace(place);
      if (!queuePair || queuePair->serviceLevel() != 31 - __builtin_clz(levels)) continue;
      hold.allow(1);
      queuePair->kick();
      if (hold.allowed() == 0) return last = place, true;
    }
  return false;
}

} // namespace stand_in

using namespace stand_in;

extern "C" int stand_in_fail_queue_pair(uint32_t number) {
  Presence presence;
  QueuePair *queuePair = QueuePair::find(number);
  if (!queuePair) return ENOENT;
  queuePair->fail(IBV_EVENT_QP_FATAL);
  return 0;
}

extern "C" void stand_in_hold() { hold.allow(0); }

extern "C" uint32_t stand_in_step(uint32_t count) {
  uint32_t executed = 0;
  while (executed < count && stepOne()) executed++;
  hold.allow(0);
  return executed;
}

extern "C" void stand_in_release() {
  hold.allow(Hold::all);
  kickAll();
}

extern "C" void stand_in_reset() {
  faults.clear();
  stand_in_limit_registered_bytes(0);
  stand_in_release();
  forgetViolations();
  stand_in_limit_doorbells(STAND_IN_DOORBELLS);
  ledger.overruns = 0;
  for (int device = 0; device < Limits::devices; device++) stand_in_set_port_state(device, IBV_PORT_ACTIVE);
}
