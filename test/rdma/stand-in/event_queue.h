#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace stand_in {

/// Events of a channel or a context: a descriptor that can be polled, and behind it who they are about.
class EventQueue {
 public:
  struct Event {
    void *object;
    int type;
    class Acknowledgements *due;
  };

  EventQueue();
  ~EventQueue();
  EventQueue(const EventQueue &) = delete;
  int descriptor() const { return fd; }
  void push(const Event &event);
  /// Waits for one, or fails with EAGAIN where the descriptor does not block. @returns whether there was one
  bool pop(Event &event);
  /// Forgets events about an object that goes away.
  void purge(const void *object);

 private:
  static constexpr uint32_t eventsMax = 4096;
  bool takeFirst(Event &event);
  const int fd;
  std::mutex mutex;
  uint32_t first = 0, last = 0;
  Event events[eventsMax];
};

/// Events about an object that were taken and are to be acknowledged before it may go.
class Acknowledgements {
 public:
  void expect();
  void acknowledge(uint32_t count);
  /// libibverbs waits without end; here a test that forgot gets EBUSY. @returns whether none is due
  bool settle();

 private:
  std::mutex mutex;
  std::condition_variable changed;
  uint32_t due = 0;
};

} // namespace stand_in
