#pragma once
#include "spin_lock.h"
#include "stand_in.h"
#include "work_request.h"
#include <atomic>
#include <cstdint>
#include <vector>

namespace stand_in {

using Count = std::atomic<uint64_t>;

/// A count with one writer at a time costs no atomic addition.
inline void add(Count &count, uint64_t more) {
  count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

/// What a queue pair announced. Apart from the doorbell, so that counting costs a shared doorbell nothing.
struct SendCounts {
  Count doorbells{0}, sends{0}, inlineSends{0}, contended{0};
  void addTo(stand_in_work &work) const;
  void addTo(SendCounts &counts) const;
  void clear();
};

/// A register of the device that sends are announced in: a page of its user access region. A thread domain has one of
/// its own, and takes no lock for it. All others are shared, and locked while they are written to.
class alignas(64) Doorbell {
 public:
  enum class Sharing { none, locked };
  explicit Doorbell(Sharing sharing = Sharing::locked) : sharing(sharing) {}
  Doorbell(const Doorbell &) = delete;

  /// A queue pair comes, whose counts live as long as it does, and goes.
  void join(SendCounts &counts);
  void leave(SendCounts &counts);
  /// Announces requests, of which `only` is the one, if it is one whose bytes are inline. @returns whether it had to wait
  bool ring(const WorkRequest *only);
  /// A queue pair is used by a thread that did not use it last.
  void usedBy(uint32_t thread);
  stand_in_work work();
  void clear();

 private:
  /// Half a register. Requests are written to the halves by turns.
  static constexpr uint32_t half = 256;
  void write(const WorkRequest *only);

  const Sharing sharing;
  SpinLock lock;
  uint32_t offset = 0;
  alignas(64) char memory[2 * half];
  SpinLock listing;
  std::vector<uint32_t> threads;
  std::vector<SendCounts *> members;
  SendCounts gone;
};

/// The doorbells of a device that queue pairs outside any thread domain share, by turns.
class SharedDoorbells {
 public:
  Doorbell &next();
  static void limit(uint32_t count);
  static uint32_t count();
  Doorbell &at(uint32_t index) { return doorbells[index]; }
  void addTo(stand_in_work &work);
  void clear();

 private:
  std::atomic<uint32_t> turn{0};
  Doorbell doorbells[STAND_IN_DOORBELLS];
};

/// Counts of what needs no register: receives are announced in memory, and polling announces nothing.
struct QueueCounts {
  void posted(uint32_t count) { add(receiveDoorbells, 1), add(receives, count); }
  void polled(uint32_t completions) { add(polls, completions); }
  void addTo(stand_in_work &work) const;
  void clear();

  Count receiveDoorbells{0}, receives{0}, polls{0};
};

} // namespace stand_in
