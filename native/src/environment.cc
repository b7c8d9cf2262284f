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
  // Node aborts if a thread ends while its loop has a poll. Only an asynchronous hook waits until polls are closed.
  napi_add_async_cleanup_hook(env, end, this, &hook_);
}

void Environment::end(napi_async_cleanup_hook_handle hook, void* data) {
  auto self = static_cast<Environment*>(data)->shared_from_this();
  self->ending_ = true;
  // Close regions here, before the memory that they are registered over is freed.
  for (Handle* handle : std::vector<Handle*>(self->handles_.begin(), self->handles_.end())) handle->close();
  if (self->polls_ == 0) napi_remove_async_cleanup_hook(hook);
}

void Environment::poll_closed() {
  polls_--;
  if (ending_ && polls_ == 0) napi_remove_async_cleanup_hook(hook_);
}
