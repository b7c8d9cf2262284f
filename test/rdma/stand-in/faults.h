#pragma once
#include <atomic>
#include <cstdint>

namespace stand_in {

enum class Verb {
  openDevice,
  allocPd,
  allocTd,
  allocParentDomain,
  regMr,
  createCompChannel,
  createCq,
  createSrq,
  createQp,
  modifyQp,
  postSend,
  postRecv,
  postSrqRecv,
  reqNotifyCq,
  count,
};

/// Faults to come. While there are none the data path pays one load.
class Faults {
 public:
  /// @returns the errno this call shall fail with, or 0
  int next(Verb verb) { return armed.load(std::memory_order_relaxed) ? take(verb) : 0; }
  /// @returns the ibv_wc_status this send shall complete with, or 0
  int nextSend() { return armed.load(std::memory_order_relaxed) ? takeSend() : 0; }
  int fail(const char *verb, int error, uint32_t count);
  void failSends(int status, uint32_t count);
  void clear();

 private:
  struct Fault {
    std::atomic<int> error{0};
    std::atomic<uint32_t> left{0};
    int take();
  };
  int take(Verb verb) { return verbs[static_cast<int>(verb)].take(); }
  int takeSend() { return sends.take(); }

  std::atomic<bool> armed{false};
  Fault verbs[static_cast<int>(Verb::count)];
  Fault sends;
};
extern Faults faults;

/// For a verb that returns a pointer: sets errno. @returns true where it shall fail
bool failsWithErrno(Verb verb);

} // namespace stand_in
