// The native side of a JavaScript object. It shares the ownership of native objects until close(), collection or the
// end of its thread, whichever comes first.
#pragma once
#include <memory>
#include <vector>

#include "call.h"
#include "error.h"
#include "guard.h"

class Handle {
 public:
  explicit Handle(Call& call);
  virtual ~Handle();
  Handle(const Handle&) = delete;

  Environment& environment() const { return *environment_; }

  /** Releases the native objects. Can be called any number of times. */
  virtual void close() = 0;

  napi_value on_close(Call&) {
    close();
    return nullptr;
  }

 protected:
  const std::shared_ptr<Environment> environment_;
};

/** A handle with one native object. */
template <class T>
class HandleOf : public Handle {
 public:
  using Handle::Handle;
  void close() override { object_.reset(); }

  /** @throws VerbError CLOSED, for `verb` */
  const std::shared_ptr<T>& object(const char* verb) const {
    if (!object_) throw VerbError{verb, T::NOUN, 0, "CLOSED"};
    return object_;
  }

 protected:
  std::shared_ptr<T> object_;
};

/** @returns the handle of an object of this add-on, or null for all other values */
Handle* handle_of(napi_env env, napi_value value);

/** @throws WrongKind if the handle of `value` is not an H, which the message calls `noun` */
template <class H>
H& handle_as(napi_env env, napi_value value, const char* noun) {
  auto handle = dynamic_cast<H*>(handle_of(env, value));
  if (!handle) throw WrongKind{"this", std::string("expected a ") + noun};
  return *handle;
}

/** Attaches `handle` to the object under construction. The handle is deleted when the object is collected. */
void wrap(Call& call, std::unique_ptr<Handle> handle);

template <class H>
napi_value construct(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return guarded(*static_cast<Environment*>(call.data), [&] {
    wrap(call, std::make_unique<H>(call));
    return call.self;
  });
}

template <class H>
H* method_class(napi_value (H::*)(Call&));

/** A method: V8 has checked that `this` is an object of its class. */
template <auto method>
napi_value invoke(napi_env env, napi_callback_info info) {
  using Class = decltype(method_class(method));
  Call call(env, info);
  return guarded(*static_cast<Environment*>(call.data), [&] {
    void* handle = nullptr;
    if (napi_unwrap(env, call.self, &handle) != napi_ok) throw WrongKind{"this", "this object was never constructed"};
    return (static_cast<Class>(static_cast<Handle*>(handle))->*method)(call);
  });
}

/** A method that is bound to one object. V8 keeps the object alive during the call. */
template <auto method>
napi_value invoke_bound(napi_env env, napi_callback_info info) {
  using Class = decltype(method_class(method));
  Call call(env, info);
  auto handle = static_cast<Handle*>(call.data);
  return guarded(handle->environment(), [&] { return (static_cast<Class>(handle)->*method)(call); });
}

/**
 * Adds a bound method to the object under construction. Finding the handle of `this` costs 140 ns, six times as much as
 * the call itself, which is too slow for methods on the data path.
 */
template <auto method>
void bind(Call& call, const char* name, Handle* handle) {
  napi_value function = nullptr;
  napi_create_function(call.env, name, NAPI_AUTO_LENGTH, invoke_bound<method>, handle, &function);
  napi_set_named_property(call.env, call.self, name, function);
}

struct Method {
  const char* name;
  napi_callback call;
};

/** Adds a class to `exports`. Every class has close(). */
template <class H>
void define_class(Environment& environment, napi_value exports, const char* name, std::vector<Method> methods) {
  std::vector<napi_property_descriptor> properties;
  methods.push_back({"close", invoke<&Handle::on_close>});
  for (const auto& [name, call] : methods) {
    properties.push_back({name, nullptr, call, nullptr, nullptr, nullptr, napi_default_method, &environment});
  }
  napi_value constructor = nullptr;
  napi_define_class(environment.env, name, NAPI_AUTO_LENGTH, construct<H>, &environment, properties.size(),
                    properties.data(), &constructor);
  napi_set_named_property(environment.env, exports, name, constructor);
}
