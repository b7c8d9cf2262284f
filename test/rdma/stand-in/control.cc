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
  hold.allow(count);
  kickAll();
  const uint32_t executed = count - static_cast<uint32_t>(hold.allowed());
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
