// The stand-in's controls for JavaScript. Opens the library by path, which gives the one that ibverbs-node opened.
#include "stand_in.h"
#include <algorithm>
#include <dlfcn.h>
#include <initializer_list>
#include <node_api.h>
#include <string>

static void *library = nullptr;

template <typename Function>
static Function *find(const char *name, Function *) {
  return reinterpret_cast<Function *>(dlsym(library, name));
}
#define CALL(function) find(#function, function)

struct Call {
  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = 3;
    napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  }
  double number(int at) const {
    double value = 0;
    napi_get_value_double(env, arguments[at], &value);
    return value;
  }
  std::string text(int at) const {
    char value[4096];
    size_t length = 0;
    napi_get_value_string_utf8(env, arguments[at], value, sizeof value, &length);
    return std::string(value, length);
  }
  napi_value give(double value) const {
    napi_value number;
    napi_create_double(env, value, &number);
    return number;
  }
  napi_value give(const char *text) const {
    napi_value value;
    if (text) napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    else napi_get_undefined(env, &value);
    return value;
  }
  napi_value nothing() const { return give(static_cast<const char *>(nullptr)); }
  struct Field {
    const char *name;
    double value;
  };
  napi_value give(std::initializer_list<Field> fields) const {
    napi_value object;
    napi_create_object(env, &object);
    for (const Field &field : fields) napi_set_named_property(env, object, field.name, give(field.value));
    return object;
  }
  napi_value give(const stand_in_work &work) const {
    return give({{"doorbells", double(work.doorbells)},
                 {"sends", double(work.sends)},
                 {"inlineSends", double(work.inline_sends)},
                 {"receiveDoorbells", double(work.receive_doorbells)},
                 {"receives", double(work.receives)},
                 {"polls", double(work.polls)},
                 {"contended", double(work.contended)},
                 {"threads", double(work.threads)}});
  }
  napi_value give(const stand_in_work *works, int count) const {
    napi_value list;
    napi_create_array(env, &list);
    for (int at = 0; at < count; at++) napi_set_element(env, list, at, give(works[at]));
    return list;
  }

  napi_env env;
  napi_value arguments[3]{};
};

static napi_value open(const Call &call) {
  library = dlopen(call.text(0).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) napi_throw_error(call.env, nullptr, dlerror());
  return call.nothing();
}

static napi_value live(const Call &call) {
  const stand_in_ledger now = CALL(stand_in_live)();
  return call.give({{"contexts", double(now.contexts)},
                    {"protectionDomains", double(now.protection_domains)},
                    {"threadDomains", double(now.thread_domains)},
                    {"parentDomains", double(now.parent_domains)},
                    {"memoryRegions", double(now.memory_regions)},
                    {"completionChannels", double(now.completion_channels)},
                    {"completionQueues", double(now.completion_queues)},
                    {"sharedReceiveQueues", double(now.shared_receive_queues)},
                    {"queuePairs", double(now.queue_pairs)},
                    {"registeredBytes", double(now.registered_bytes)}});
}

static napi_value threadDomains(const Call &call) {
  stand_in_work work[256];
  return call.give(work, std::min(CALL(stand_in_thread_domains)(work, 256), 256));
}

static napi_value sharedDoorbells(const Call &call) {
  stand_in_work work[STAND_IN_DOORBELLS];
  return call.give(work, CALL(stand_in_shared_doorbells)(int(call.number(0)), work, STAND_IN_DOORBELLS));
}

static napi_value limitDoorbells(const Call &call) {
  return call.give(CALL(stand_in_limit_doorbells)(uint32_t(call.number(0))));
}

static napi_value ring(const Call &call) {
  return call.give(
      CALL(stand_in_ring)(int(call.number(0)), uint32_t(call.number(1)), uint32_t(call.number(2))));
}

static napi_value failNext(const Call &call) {
  return call.give(CALL(stand_in_fail_next)(call.text(0).c_str(), int(call.number(1)), uint32_t(call.number(2))));
}

static napi_value failSends(const Call &call) {
  CALL(stand_in_fail_sends)(int(call.number(0)), uint32_t(call.number(1)));
  return call.nothing();
}

static napi_value setPortState(const Call &call) {
  return call.give(CALL(stand_in_set_port_state)(int(call.number(0)), int(call.number(1))));
}

static napi_value failQueuePair(const Call &call) {
  return call.give(CALL(stand_in_fail_queue_pair)(uint32_t(call.number(0))));
}

static napi_value limitRegisteredBytes(const Call &call) {
  CALL(stand_in_limit_registered_bytes)(uint64_t(call.number(0)));
  return call.nothing();
}

static napi_value step(const Call &call) { return call.give(CALL(stand_in_step)(uint32_t(call.number(0)))); }
static napi_value sharedWork(const Call &call) { return call.give(CALL(stand_in_shared_work)()); }
static napi_value violations(const Call &call) { return call.give(double(CALL(stand_in_violations)())); }
static napi_value lastViolation(const Call &call) { return call.give(CALL(stand_in_last_violation)()); }
static napi_value overruns(const Call &call) { return call.give(double(CALL(stand_in_overruns)())); }
static napi_value hold(const Call &call) { return CALL(stand_in_hold)(), call.nothing(); }
static napi_value release(const Call &call) { return CALL(stand_in_release)(), call.nothing(); }
static napi_value reset(const Call &call) { return CALL(stand_in_reset)(), call.nothing(); }

template <napi_value (*function)(const Call &)>
static napi_value call(napi_env env, napi_callback_info info) {
  if (!library && function != open) return napi_throw_error(env, nullptr, "open() comes first"), nullptr;
  return function(Call(env, info));
}

#define FUNCTION(name) {#name, nullptr, call<name>, nullptr, nullptr, nullptr, napi_enumerable, nullptr}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      FUNCTION(open),          FUNCTION(live),         FUNCTION(threadDomains), FUNCTION(sharedWork),
      FUNCTION(violations),    FUNCTION(lastViolation), FUNCTION(overruns),     FUNCTION(failNext),
      FUNCTION(failSends),     FUNCTION(setPortState), FUNCTION(failQueuePair), FUNCTION(limitRegisteredBytes),
      FUNCTION(sharedDoorbells), FUNCTION(limitDoorbells), FUNCTION(ring),
      FUNCTION(hold),          FUNCTION(step),         FUNCTION(release),       FUNCTION(reset),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
