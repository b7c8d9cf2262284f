#include "environment.h"

#include <vector>

#include "error.h"
#include "handle.h"

Environment& Environment::create(napi_env env) {
  auto shared = new std::shared_ptr<Environment>(std::make_shared<Environment>(env));
  auto drop = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Environment>*>(data); };
  napi_set_instance_data(env, shared, drop, nullptr);
  return **shared;
}

Environment::Environment(napi_env env) : env(env) {
  napi_get_uv_event_loop(env, &loop);
  // Node aborts if a thread ends while its loop still has a poll; only an asynchronous hook waits for its closing.
  napi_add_async_cleanup_hook(env, end, this, &hook_);
}

void Environment::end(napi_async_cleanup_hook_handle hook, void* data) {
  auto self = static_cast<Environment*>(data)->shared_from_this();
  self->ending_ = true;
  // Regions go before the memory they are registered over does.
  for (Handle* handle : std::vector<Handle*>(self->handles_.begin(), self->handles_.end())) handle->close();
  if (self->polls_ == 0) napi_remove_async_cleanup_hook(hook);
}

void Environment::poll_closed() {
  polls_--;
  if (ending_ && polls_ == 0) napi_remove_async_cleanup_hook(hook_);
}
