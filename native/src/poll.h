// Watches a file descriptor on a thread's event loop.
#pragma once
#include <functional>
#include <memory>

#include "environment.h"

class Poll {
 public:
  /**
   * Calls `ready` on the event loop while `fd` is readable. Does not keep the process alive.
   * `ready` may close this poll, and must not throw.
   */
  Poll(Environment& environment, int fd, std::function<void()> ready);
  /** The file descriptor can be closed right after this. */
  ~Poll();
  Poll(const Poll&) = delete;

  void keep_alive(bool alive);

 private:
  struct Watch;
  /** Outlives this poll, because libuv releases it in a later turn of the loop. */
  Watch* watch_;
};

/** Makes sure that a read after a poll never blocks, even if another thread has read first. */
void set_nonblocking(int fd);
