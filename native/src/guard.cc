#include "guard.h"

#include <cerrno>
#include <new>

namespace {

void throw_verb_error(Environment& environment, const VerbError& error) {
  napi_env env = environment.env;
  Record more(env);
  if (error.code) more.set("code", error.code);
  if (!error.detail.empty()) more.set("detail", error.detail.c_str());
  if (error.posted >= 0) more.set("posted", static_cast<double>(error.posted));
  napi_value constructor = nullptr, number = nullptr, instance = nullptr;
  napi_create_int32(env, error.number, &number);
  napi_value arguments[] = {text_value(env, error.verb), text_value(env, error.object), number, more.value()};
  if (napi_get_reference_value(env, environment.error_class, &constructor) != napi_ok ||
      napi_new_instance(env, constructor, 4, arguments, &instance) != napi_ok) {
    napi_throw_error(env, nullptr, error.verb);
    return;
  }
  napi_throw(env, instance);
}

}  // namespace

void rethrow(Environment& environment) {
  try {
    throw;
  } catch (const VerbError& error) {
    throw_verb_error(environment, error);
  } catch (const WrongKind& error) {
    napi_throw_type_error(environment.env, nullptr, error.message.c_str());
  } catch (const WrongValue& error) {
    napi_throw_range_error(environment.env, nullptr, error.message.c_str());
  } catch (const std::bad_alloc&) {
    throw_verb_error(environment, {"new", "memory", ENOMEM});
  } catch (const Pending&) {
  }
}
