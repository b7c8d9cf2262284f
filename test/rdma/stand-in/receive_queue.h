#pragma once
#include "spin_lock.h"
#include "verbs.h"
#include "waiters.h"
#include <memory>

namespace stand_in {

/// A receive request as posted.
struct Receive {
  uint64_t id;
  uint32_t count;
  uint32_t reserved;
  ibv_sge sges[];
};

/// Receives of one queue pair, or shared by several. Its lock also guards the state of its queue pair, and who waits
/// for either to change.
class ReceiveQueue {
 public:
  ReceiveQueue(uint32_t depth, uint32_t sgesMax);
  /// The lock is the caller's for all of these. @returns errno
  int push(const ibv_recv_wr &request);
  /// @returns the next one, still in the queue; nullptr: none
  const Receive *front() const { return first == last ? nullptr : slot(first); }
  void pop() { first++; }
  uint32_t size() const { return last - first; }
  void clear() { first = last; }

  SpinLock lock;
  Waiters waiters;

 private:
  Receive *slot(uint32_t at) const { return reinterpret_cast<Receive *>(bytes.get() + (at % slots) * stride); }

  const uint32_t depth, sgesMax, slots;
  const size_t stride;
  const std::unique_ptr<char[]> bytes;
  uint32_t first = 0, last = 0;
};

} // namespace stand_in
