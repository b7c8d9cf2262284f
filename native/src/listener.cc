#include "listener.h"

void call_listener(Environment& environment, napi_value object, const char* name, size_t count,
                   const napi_value* arguments) {
  napi_env env = environment.env;
  napi_value function = nullptr, exception = nullptr;
  if (napi_get_named_property(env, object, name, &function) != napi_ok) return;
  const napi_status status = napi_make_callback(env, nullptr, object, function, count, arguments, nullptr);
  // While the thread is being terminated there is no exception to pass on.
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}
