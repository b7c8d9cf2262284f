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
  /** The file descriptor may be closed right after. */
  ~Poll();
  Poll(const Poll&) = delete;

  void keep_alive(bool alive);

 private:
  struct Watch;
  /** Outlives this: libuv lets go of it in a later turn of the loop. */
  Watch* watch_;
};

/** So that reading what a poll announced never blocks, whoever read it first. */
void set_nonblocking(int fd);
