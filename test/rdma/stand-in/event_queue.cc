#include "event_queue.h"
#include <chrono>
#include <cstdio>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace stand_in {

EventQueue::EventQueue() : fd(eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC)) {}

EventQueue::~EventQueue() { close(fd); }

void EventQueue::push(const Event &event) {
  std::lock_guard<std::mutex> lock(mutex);
  if (last - first == eventsMax) {
    std::fprintf(stderr, "stand-in: more than %u events that nobody takes; one is lost\n", eventsMax);
    return;
  }
  events[last++ % eventsMax] = event;
  const uint64_t one = 1;
  if (write(fd, &one, sizeof one) < 0) std::perror("stand-in: eventfd");
}

bool EventQueue::takeFirst(Event &event) {
  std::lock_guard<std::mutex> lock(mutex);
  if (first == last) return false;
  event = events[first++ % eventsMax];
  // Under the lock: who purges afterwards must find it expected.
  if (event.due) event.due->expect();
  return true;
}

bool EventQueue::pop(Event &event) {
  uint64_t one;
  while (read(fd, &one, sizeof one) == sizeof one)
    if (takeFirst(event)) return true;
  return false;
}

void EventQueue::purge(const void *object) {
  std::lock_guard<std::mutex> lock(mutex);
  uint32_t kept = first;
  for (uint32_t at = first; at != last; at++) {
    const Event &event = events[at % eventsMax];
    if (event.object != object) events[kept++ % eventsMax] = event;
  }
  uint64_t one;
  const iovec token = {&one, sizeof one};
  // A reader that took the token already finds the queue empty and waits again.
  for (; last != kept; last--)
    if (preadv2(fd, &token, 1, -1, RWF_NOWAIT) < 0) continue;
}

void Acknowledgements::expect() {
  std::lock_guard<std::mutex> lock(mutex);
  due++;
}

void Acknowledgements::acknowledge(uint32_t count) {
  std::lock_guard<std::mutex> lock(mutex);
  due -= count < due ? count : due;
  changed.notify_all();
}

bool Acknowledgements::settle() {
  std::unique_lock<std::mutex> lock(mutex);
  const bool settled = changed.wait_for(lock, std::chrono::seconds(2), [this] { return due == 0; });
  if (!settled) std::fprintf(stderr, "stand-in: destroyed with %u events not acknowledged\n", due);
  return settled;
}

} // namespace stand_in
