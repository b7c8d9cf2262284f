// What a device tells unasked: ports that go down, queue pairs that fail.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "file_descriptor.h"
#include "library.h"
#include "poll.h"

class Context;

struct AsyncEvent {
  ibv_event_type type;
  /** 0 where the event is not a port's. */
  uint32_t port = 0;
  /** 0 where it is not a queue pair's. */
  uint32_t queue_pair = 0;
};

/** One reader of a context's events. */
class AsyncInbox {
 public:
  AsyncInbox();

  void put(const AsyncEvent& event);
  /** @returns whether there was one */
  bool take(AsyncEvent& event);

  /** Readable while something may be in it. */
  const FileDescriptor fd;

 private:
  std::mutex mutex_;
  std::deque<AsyncEvent> events_;
};

/** A context's events: the kernel gives each of them once, to whichever thread reads first, and all are to hear it. */
class AsyncEvents {
 public:
  explicit AsyncEvents(ibv_context* context);

  void subscribe(AsyncInbox* inbox);
  void unsubscribe(AsyncInbox* inbox);
  /** Gives what the kernel has to every inbox. Never waits. */
  void distribute();

 private:
  ibv_context* const context_;
  std::mutex mutex_;
  std::vector<AsyncInbox*> inboxes_;
};

/** Calls `onevent(type, port, queuePair)` of a JavaScript object, on its thread; does not keep that object alive. */
class AsyncListener {
 public:
  AsyncListener(Environment& environment, std::shared_ptr<Context> context, napi_value object);
  ~AsyncListener();

 private:
  void deliver();

  Environment& environment_;
  const std::shared_ptr<Context> context_;
  const std::shared_ptr<AsyncInbox> inbox_ = std::make_shared<AsyncInbox>();
  napi_ref object_ = nullptr;
  /** Of its own: a loop polls a descriptor once, and a thread may listen to a context more than once. */
  const FileDescriptor device_fd_;
  const Poll device_poll_;
  const Poll inbox_poll_;
};
