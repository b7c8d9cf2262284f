#include "async_events.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "context.h"
#include "listener.h"

namespace {

AsyncEvent read(const ibv_async_event& event) {
  switch (event.event_type) {
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED:
      return {event.event_type, 0, event.element.qp->qp_num};
    case IBV_EVENT_PORT_ACTIVE:
    case IBV_EVENT_PORT_ERR:
    case IBV_EVENT_LID_CHANGE:
    case IBV_EVENT_PKEY_CHANGE:
    case IBV_EVENT_SM_CHANGE:
    case IBV_EVENT_CLIENT_REREGISTER:
    case IBV_EVENT_GID_CHANGE:
      return {event.event_type, static_cast<uint32_t>(event.element.port_num), 0};
    default:
      return {event.event_type};
  }
}

}  // namespace

AsyncInbox::AsyncInbox() : fd("eventfd", eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void AsyncInbox::put(const AsyncEvent& event) {
  std::lock_guard lock(mutex_);
  events_.push_back(event);
  eventfd_write(fd, 1);
}

bool AsyncInbox::take(AsyncEvent& event) {
  std::lock_guard lock(mutex_);
  if (events_.empty()) {
    eventfd_t count;
    eventfd_read(fd, &count);
    return false;
  }
  event = events_.front();
  events_.pop_front();
  return true;
}

AsyncEvents::AsyncEvents(ibv_context* context) : context_(context) { set_nonblocking(context->async_fd); }

void AsyncEvents::subscribe(AsyncInbox* inbox) {
  std::lock_guard lock(mutex_);
  inboxes_.push_back(inbox);
}

void AsyncEvents::unsubscribe(AsyncInbox* inbox) {
  std::lock_guard lock(mutex_);
  inboxes_.erase(std::remove(inboxes_.begin(), inboxes_.end(), inbox), inboxes_.end());
}

void AsyncEvents::distribute() {
  ibv_async_event event;
  std::lock_guard lock(mutex_);
  while (library().ibv_get_async_event(context_, &event) == 0) {
    const AsyncEvent told = read(event);
    // Acknowledge at once: an object cannot be destroyed before its events are acknowledged.
    library().ibv_ack_async_event(&event);
    for (AsyncInbox* inbox : inboxes_) inbox->put(told);
  }
}

AsyncListener::AsyncListener(Environment& environment, std::shared_ptr<Context> context, napi_value object)
    : environment_(environment),
      context_(std::move(context)),
      device_fd_("fcntl", fcntl(context_->raw->async_fd, F_DUPFD_CLOEXEC, 0)),
      device_poll_(environment, device_fd_, [this] { context_->events->distribute(); }),
      inbox_poll_(environment, inbox_->fd, [this] { deliver(); }) {
  napi_create_reference(environment.env, object, 0, &object_);
  context_->events->subscribe(inbox_.get());
}

AsyncListener::~AsyncListener() {
  context_->events->unsubscribe(inbox_.get());
  napi_delete_reference(environment_.env, object_);
}

void AsyncListener::deliver() {
  napi_env env = environment_.env;
  napi_value object = nullptr;
  napi_get_reference_value(env, object_, &object);
  // These copies stay valid when the listener stops listening, which deletes `this`.
  const auto inbox = inbox_;
  Environment& environment = environment_;
  AsyncEvent event;
  while (object && inbox->take(event)) {
    napi_value arguments[3] = {};
    const uint32_t words[] = {event.type, event.port, event.queue_pair};
    for (int i = 0; i < 3; i++) napi_create_uint32(env, words[i], &arguments[i]);
    call_listener(environment, object, "onevent", 3, arguments);
  }
}
