#include "faults.h"
#include "stand_in.h"
#include <cerrno>
#include <cstring>

namespace stand_in {

Faults faults;

static const char *const names[] = {
    "ibv_open_device", "ibv_alloc_pd",  "ibv_alloc_td",  "ibv_alloc_parent_domain", "ibv_reg_mr",
    "ibv_create_comp_channel", "ibv_create_cq", "ibv_create_srq", "ibv_create_qp", "ibv_modify_qp",
    "ibv_post_send",   "ibv_post_recv", "ibv_post_srq_recv", "ibv_req_notify_cq",
};
static_assert(sizeof names / sizeof *names == static_cast<size_t>(Verb::count), "a name for each verb");

int Faults::Fault::take() {
  uint32_t now = left.load();
  while (now > 0)
    if (left.compare_exchange_weak(now, now - 1)) return error.load();
  return 0;
}

int Faults::fail(const char *verb, int error, uint32_t count) {
  for (int at = 0; at < static_cast<int>(Verb::count); at++) {
    if (std::strcmp(names[at], verb) != 0) continue;
    verbs[at].error = error;
    verbs[at].left = count;
    armed = true;
    return 0;
  }
  return EINVAL;
}

void Faults::failSends(int status, uint32_t count) {
  sends.error = status;
  sends.left = count;
  armed = true;
}

void Faults::clear() {
  armed = false;
  for (Fault &fault : verbs) fault.left = 0;
  sends.left = 0;
}

bool failsWithErrno(Verb verb) {
  const int error = faults.next(verb);
  if (error != 0) errno = error;
  return error != 0;
}

} // namespace stand_in

extern "C" int stand_in_fail_next(const char *verb, int error, uint32_t count) {
  return stand_in::faults.fail(verb, error, count);
}

extern "C" void stand_in_fail_sends(int status, uint32_t count) { stand_in::faults.failSends(status, count); }
