// The exports of the add-on. Loading it does not open libibverbs, and every thread gets its own Environment.
#include "completion_queue.h"
#include "ledger.h"
#include "memory_region.h"
#include "parent_domain.h"
#include "queue_pair.h"

namespace {

/** setErrorClass(IbverbsError): sets the class of the errors that failed verbs throw. */
napi_value set_error_class(Call& call) {
  napi_ref& place = static_cast<Environment*>(call.data)->error_class;
  if (place) napi_delete_reference(call.env, place);
  napi_create_reference(call.env, call.argument(0), 1, &place);
  return nullptr;
}

napi_value read_ledger(Call& call) {
  Record counts(call.env);
  for (size_t i = 0; i < KINDS; i++) counts.set(ledger::names[i], ledger::live(static_cast<Kind>(i)));
  return counts.value();
}

template <napi_value (*function)(Call&)>
napi_value invoke_function(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return guarded(*static_cast<Environment*>(call.data), [&] { return function(call); });
}

template <napi_value (*function)(Call&)>
void define_function(Environment& environment, napi_value exports, const char* name) {
  napi_value value = nullptr;
  napi_create_function(environment.env, name, NAPI_AUTO_LENGTH, invoke_function<function>, &environment, &value);
  napi_set_named_property(environment.env, exports, name, value);
}

}  // namespace

NAPI_MODULE_INIT() {
  Environment& environment = Environment::create(env);
  define_function<set_error_class>(environment, exports, "setErrorClass");
  define_function<list_devices>(environment, exports, "devices");
  define_function<read_ledger>(environment, exports, "ledger");
  ContextHandle::define(environment, exports);
  ProtectionDomainHandle::define(environment, exports);
  ParentDomainHandle::define(environment, exports);
  MemoryRegionHandle::define(environment, exports);
  CompletionChannelHandle::define(environment, exports);
  CompletionQueueHandle::define(environment, exports);
  SharedReceiveQueueHandle::define(environment, exports);
  QueuePairHandle::define(environment, exports);
  return exports;
}
