#include "completion_channel.h"

#include "ledger.h"
#include "listener.h"

namespace {

/** The most events to read in one turn of the event loop, so that other sources get their turn. */
constexpr int EVENTS_A_TURN_MAX = 64;

/** The id of the completion queue whose event is next; 0 if there is no event. Never waits. */
uint32_t next_event(ibv_comp_channel* channel) {
  ibv_cq* queue;
  void* id;
  if (library().ibv_get_cq_event(channel, &queue, &id) != 0) return 0;
  // Acknowledge at once: a queue cannot be destroyed before its events are acknowledged.
  library().ibv_ack_cq_events(queue, 1);
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(id));
}

}  // namespace

CompletionChannel::CompletionChannel(std::shared_ptr<Context> of) : context(std::move(of)) {
  raw = check_pointer("ibv_create_comp_channel", context->device, library().ibv_create_comp_channel(context->raw));
  set_nonblocking(raw->fd);
  ledger::created(Kind::channel);
}

CompletionChannel::~CompletionChannel() { ledger::destroyed(Kind::channel, library().ibv_destroy_comp_channel(raw)); }

CompletionChannelHandle::CompletionChannelHandle(Call& call) : HandleOf(call) {
  const auto& context = handle_as<ContextHandle>(call.env, call.argument(0), "Context");
  object_ = std::make_shared<CompletionChannel>(context.object("ibv_create_comp_channel"));
  napi_create_reference(call.env, call.self, 0, &self_);
}

void CompletionChannelHandle::close() {
  poll_.reset();
  object_.reset();
  if (self_) napi_delete_reference(environment_->env, self_);
  self_ = nullptr;
}

napi_value CompletionChannelHandle::listen(Call&) {
  const auto& channel = object("ibv_get_cq_event");
  if (!poll_) poll_ = std::make_unique<Poll>(*environment_, channel->raw->fd, [this] { deliver(); });
  poll_->keep_alive(alive_);
  return nullptr;
}

napi_value CompletionChannelHandle::keep_alive(Call& call) {
  object("ref");
  const bool alive = call.flag(0);
  if (alive == alive_) return nullptr;
  alive_ = alive;
  if (alive) {
    napi_reference_ref(call.env, self_, nullptr);
  } else {
    napi_reference_unref(call.env, self_, nullptr);
  }
  if (poll_) poll_->keep_alive(alive);
  return nullptr;
}

void CompletionChannelHandle::deliver() {
  napi_env env = environment_->env;
  napi_value self = nullptr;
  napi_get_reference_value(env, self_, &self);
  // `self` on the stack prevents the collection of this handle. The listener may close it, so check `poll_` each time.
  for (int i = 0; self && poll_ && i < EVENTS_A_TURN_MAX; i++) {
    const uint32_t id = next_event(object_->raw);
    if (!id) return;
    napi_value argument = nullptr;
    napi_create_uint32(env, id, &argument);
    call_listener(*environment_, self, "onevent", 1, &argument);
  }
}

void CompletionChannelHandle::define(Environment& environment, napi_value exports) {
  define_class<CompletionChannelHandle>(environment, exports, "CompletionChannel",
                                        {{"listen", invoke<&CompletionChannelHandle::listen>},
                                         {"keepAlive", invoke<&CompletionChannelHandle::keep_alive>}});
}
