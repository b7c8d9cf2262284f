// One call from JavaScript: checks its arguments and makes its result.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <string>

#include "environment.h"

class Handle;

/** The memory of a caller's Uint32Array. */
struct Words {
  uint32_t* data;
  size_t length;
};

/** The bytes of a view. */
struct Bytes {
  uint8_t* data;
  size_t length;
};

/** Options by name. JavaScript has checked them before, so an error here is a bug of this package. */
class Options {
 public:
  Options(napi_env env, napi_value object) : env_(env), object_(object) {}
  uint32_t number(const char* name) const;
  Bytes bytes(const char* name) const;
  napi_value value(const char* name) const;

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

/** Builds a JavaScript object to return. */
class Record {
 public:
  explicit Record(napi_env env);
  Record& set(const char* name, double value);
  Record& set(const char* name, const char* value);
  Record& set(const char* name, napi_value value);
  Record& set_u64(const char* name, uint64_t value);
  napi_value value() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

/**
 * A thread may be terminated during a call. From then on, Node-API refuses every function that could run JavaScript,
 * and does not set its results. So every napi_value starts as null, which Node-API functions take and refuse too.
 */
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env(env) {
    napi_get_cb_info(env, info, &count_, arguments_, &self, &data);
  }

  const napi_env env;
  napi_value self = nullptr;
  /** The data that the function was created with: an Environment, or the Handle that it is bound to. */
  void* data;

  napi_value argument(int i) const { return arguments_[i]; }
  uint32_t number(int i, const char* name) const;
  std::string text(int i) const;
  Words words(int i, const char* name) const;
  Options options(int i) const { return {env, arguments_[i]}; }
  /** Whether argument i is undefined. */
  bool lacks(int i) const;
  bool is_number(int i) const;
  bool flag(int i) const;

  napi_value give(uint32_t value) const;

 private:
  static constexpr size_t ARGUMENTS_MAX = 4;
  size_t count_ = ARGUMENTS_MAX;
  napi_value arguments_[ARGUMENTS_MAX];
};

/** @throws WrongKind unless `value` is a view of bytes (a Uint8Array, also over shared memory) */
Bytes bytes_of(napi_env env, napi_value value, const char* name);
/** @throws WrongKind, WrongValue unless `value` is an integer of 32 bits */
uint32_t number_of(napi_env env, napi_value value, const char* name);
napi_value text_value(napi_env env, const std::string& text);
