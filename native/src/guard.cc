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

using CreateError = napi_status (*)(napi_env, napi_value, napi_value, napi_value*);

/** Throws the same error as lib/options.ts: it has a code and names the argument. */
void throw_argument_error(napi_env env, CreateError create, const std::string& field, const std::string& problem) {
  napi_value error = nullptr;
  if (create(env, text_value(env, "INVALID_ARGUMENT"), text_value(env, field + ": " + problem), &error) != napi_ok) return;
  napi_set_named_property(env, error, "field", text_value(env, field));
  napi_throw(env, error);
}

}  // namespace

void rethrow(Environment& environment) {
  try {
    throw;
  } catch (const VerbError& error) {
    throw_verb_error(environment, error);
  } catch (const WrongKind& error) {
    throw_argument_error(environment.env, napi_create_type_error, error.field, error.problem);
  } catch (const WrongValue& error) {
    throw_argument_error(environment.env, napi_create_range_error, error.field, error.problem);
  } catch (const std::bad_alloc&) {
    throw_verb_error(environment, {"new", "memory", ENOMEM});
  } catch (const Pending&) {
  }
}
