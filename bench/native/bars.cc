// The bars, seen from JavaScript: every address is a byte offset into the WebAssembly memory given to `attach`, so
// that native code and kernels work on the same pages.
#include <node_api.h>

#include <initializer_list>

#include "cache.h"
#include "dedupe.h"
#include "index.h"
#include "pooling.h"
#include "vector.h"

namespace {

constexpr size_t ARGUMENTS_MAX = 5;

/** One call from JavaScript. */
struct Call {
  napi_env env;
  size_t count = ARGUMENTS_MAX;
  napi_value arguments[ARGUMENTS_MAX];
  uint8_t** memory;

  Call(napi_env env, napi_callback_info info) : env(env) {
    napi_get_cb_info(env, info, &count, arguments, nullptr, (void**)&memory);
  }
  uint32_t number(int i) const {
    uint32_t value = 0;
    napi_get_value_uint32(env, arguments[i], &value);
    return value;
  }
  /** The address of argument i. */
  template <class T>
  T* at(int i) const { return (T*)(*memory + number(i)); }
  template <class T>
  T* handle(int i) const {
    void* value = nullptr;
    napi_get_value_external(env, arguments[i], &value);
    return (T*)value;
  }
  pooling::Batch batch(int i) const { return pooling::read_call(*memory, number(i)); }
  template <class T>
  napi_value give(T* value) const {
    napi_value result;
    napi_create_external(env, value, [](napi_env, void* data, void*) { delete (T*)data; }, nullptr, &result);
    return result;
  }
};

napi_value attach(napi_env env, napi_callback_info info) {
  Call call(env, info);
  napi_get_typedarray_info(env, call.arguments[0], nullptr, nullptr, (void**)call.memory, nullptr, nullptr);
  return nullptr;
}

template <pooling::Prefetch prefetch>
napi_value pool(napi_env env, napi_callback_info info) {
  Call call(env, info);
  if (!pooling::pool(call.batch(0), prefetch, call.number(1))) napi_throw_range_error(env, nullptr, "no bar for this shape");
  return nullptr;
}

/** Call blocks, one after the other, so that no time is spent between them. */
napi_value pool_all(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const uint32_t* calls = call.at<const uint32_t>(0);
  bool done = true;
  for (uint32_t i = 0; i < call.number(1); i++) {
    done &= pooling::pool(pooling::read_call(*call.memory, calls[i]), pooling::Prefetch::t0, call.number(2));
  }
  if (!done) napi_throw_range_error(env, nullptr, "no bar for this shape");
  return nullptr;
}

napi_value pool_plain(napi_env env, napi_callback_info info) {
  pooling::pool_plain(Call(env, info).batch(0));
  return nullptr;
}

napi_value index_create(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return call.give(new Index(call.number(0)));
}

napi_value index_insert(napi_env env, napi_callback_info info) {
  Call call(env, info);
  call.handle<Index>(0)->insert(call.at<uint64_t>(1), call.at<uint32_t>(2), call.number(3));
  return nullptr;
}

template <void (Index::*find)(const uint64_t*, uint32_t*, size_t) const>
napi_value index_find(napi_env env, napi_callback_info info) {
  Call call(env, info);
  (call.handle<Index>(0)->*find)(call.at<uint64_t>(1), call.at<uint32_t>(2), call.number(3));
  return nullptr;
}

napi_value dedupe_create(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return call.give(new Dedupe(call.number(0)));
}

napi_value dedupe_run(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const size_t found = call.handle<Dedupe>(0)->run(call.at<uint64_t>(1), call.number(2), call.at<uint64_t>(3), call.at<uint32_t>(4));
  napi_value result;
  napi_create_uint32(env, found, &result);
  return result;
}

napi_value cache_find(napi_env env, napi_callback_info info) {
  Call call(env, info);
  cache::find(*call.memory, call.number(0), call.at<uint32_t>(1));
  return nullptr;
}

napi_value cache_probe(napi_env env, napi_callback_info info) {
  Call call(env, info);
  cache::probe(*call.memory, call.number(0));
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  auto memory = new uint8_t*(nullptr);
  napi_set_instance_data(env, memory, [](napi_env, void* data, void*) { delete (uint8_t**)data; }, nullptr);
  struct Entry {
    const char* name;
    napi_callback function;
  };
  using pooling::Prefetch;
  for (const auto& [name, function] : std::initializer_list<Entry>{
           {"attach", attach},
           {"poolT0", pool<Prefetch::t0>},
           {"poolT1", pool<Prefetch::t1>},
           {"poolUnprefetched", pool<Prefetch::none>},
           {"poolAllT0", pool_all},
           {"poolPlain", pool_plain},
           {"indexCreate", index_create},
           {"indexInsert", index_insert},
           {"indexFind", index_find<&Index::find>},
           {"indexFindRolling", index_find<&Index::find_rolling>},
           {"dedupeCreate", dedupe_create},
           {"dedupe", dedupe_run},
           {"cacheFind", cache_find},
           {"cacheProbe", cache_probe},
       }) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, memory, &value);
    napi_set_named_property(env, exports, name, value);
  }
  napi_value isa;
  napi_create_string_utf8(env, BARS_ISA, NAPI_AUTO_LENGTH, &isa);
  napi_set_named_property(env, exports, "isa", isa);
  return exports;
}
