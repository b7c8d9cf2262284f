// Asynchronous events of a device, such as ports that go down and queue pairs that fail.
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
  /** 0 if the event is not about a port. */
  uint32_t port = 0;
  /** 0 if the event is not about a queue pair. */
  uint32_t queue_pair = 0;
};

/** The queue of events for one reader of a context's events. */
class AsyncInbox {
 public:
  AsyncInbox();

  void put(const AsyncEvent& event);
  /** Takes the oldest event. @returns false if there was no event */
  bool take(AsyncEvent& event);

  /** Readable while there may be events. */
  const FileDescriptor fd;

 private:
  std::mutex mutex_;
  std::deque<AsyncEvent> events_;
};

/** The events of a context. The kernel gives each event once, to the first thread that reads; this gives it to all. */
class AsyncEvents {
 public:
  explicit AsyncEvents(ibv_context* context);

  void subscribe(AsyncInbox* inbox);
  void unsubscribe(AsyncInbox* inbox);
  /** Reads all events from the kernel, and puts each into every inbox. Never waits. */
  void distribute();

 private:
  ibv_context* const context_;
  std::mutex mutex_;
  std::vector<AsyncInbox*> inboxes_;
};

/** Calls `onevent(type, port, queuePair)` of a JavaScript object on its thread. Does not keep that object alive. */
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
  /** A duplicate, because a loop polls a descriptor only once, but a thread may listen to a context more than once. */
  const FileDescriptor device_fd_;
  const Poll device_poll_;
  const Poll inbox_poll_;
};
