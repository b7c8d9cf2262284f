#include "call.h"

#include "error.h"

uint32_t number_of(napi_env env, napi_value value, const char* name) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw WrongKind{name, "expected a number"};
  if (!(number >= 0 && number <= UINT32_MAX) || number != static_cast<uint32_t>(number)) {
    throw WrongValue{name, "expected an integer of 32 bits"};
  }
  return static_cast<uint32_t>(number);
}

Bytes bytes_of(napi_env env, napi_value value, const char* name) {
  napi_typedarray_type type;
  Bytes bytes;
  const napi_status status =
      napi_get_typedarray_info(env, value, &type, &bytes.length, reinterpret_cast<void**>(&bytes.data), nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) throw WrongKind{name, "expected a Uint8Array"};
  return bytes;
}

napi_value text_value(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value Options::value(const char* name) const {
  napi_value value = nullptr;
  if (napi_get_named_property(env_, object_, name, &value) != napi_ok) throw WrongKind{name, "expected an object of options"};
  return value;
}

uint32_t Options::number(const char* name) const { return number_of(env_, value(name), name); }

Bytes Options::bytes(const char* name) const { return bytes_of(env_, value(name), name); }

Record::Record(napi_env env) : env_(env) { napi_create_object(env, &object_); }

Record& Record::set(const char* name, napi_value value) {
  napi_set_named_property(env_, object_, name, value);
  return *this;
}

Record& Record::set(const char* name, double value) {
  napi_value number = nullptr;
  napi_create_double(env_, value, &number);
  return set(name, number);
}

Record& Record::set(const char* name, const char* value) { return set(name, text_value(env_, value)); }

Record& Record::set_u64(const char* name, uint64_t value) {
  napi_value number = nullptr;
  napi_create_bigint_uint64(env_, value, &number);
  return set(name, number);
}

uint32_t Call::number(int i, const char* name) const { return number_of(env, arguments_[i], name); }

std::string Call::text(int i) const {
  size_t length;
  if (napi_get_value_string_utf8(env, arguments_[i], nullptr, 0, &length) != napi_ok) throw WrongKind{"device", "expected a string"};
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, arguments_[i], text.data(), length + 1, &length);
  return text;
}

Words Call::words(int i, const char* name) const {
  napi_typedarray_type type;
  Words words;
  const napi_status status = napi_get_typedarray_info(env, arguments_[i], &type, &words.length,
                                                      reinterpret_cast<void**>(&words.data), nullptr, nullptr);
  if (status != napi_ok || type != napi_uint32_array) throw WrongKind{name, "expected a Uint32Array"};
  return words;
}

bool Call::lacks(int i) const {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, arguments_[i], &type);
  return type == napi_undefined;
}

bool Call::is_number(int i) const {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, arguments_[i], &type);
  return type == napi_number;
}

bool Call::flag(int i) const {
  bool value = false;
  napi_get_value_bool(env, arguments_[i], &value);
  return value;
}

napi_value Call::give(uint32_t value) const {
  napi_value result = nullptr;
  napi_create_uint32(env, value, &result);
  return result;
}
