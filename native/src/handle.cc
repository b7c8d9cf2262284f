#include "handle.h"

namespace {

/** Marks the objects of this add-on, so that it does not follow the pointers of other add-ons. */
constexpr napi_type_tag TAG = {0x6962766572627311, 0xb1c5a3f09e2d4c77};

void collected(napi_env, void* data, void*) {
  auto handle = static_cast<Handle*>(data);
  handle->close();
  delete handle;
}

}  // namespace

Handle::Handle(Call& call) : environment_(static_cast<Environment*>(call.data)->shared_from_this()) { environment_->add(this); }

Handle::~Handle() { environment_->remove(this); }

Handle* handle_of(napi_env env, napi_value value) {
  bool ours = false;
  void* handle = nullptr;
  if (napi_check_object_type_tag(env, value, &TAG, &ours) != napi_ok || !ours ||
      napi_unwrap(env, value, &handle) != napi_ok) {
    return nullptr;
  }
  return static_cast<Handle*>(handle);
}

void wrap(Call& call, std::unique_ptr<Handle> handle) {
  if (napi_type_tag_object(call.env, call.self, &TAG) != napi_ok ||
      napi_wrap(call.env, call.self, handle.get(), collected, nullptr, nullptr) != napi_ok) {
    handle->close();
    throw WrongKind{"this", "expected to be called with new"};
  }
  handle.release();
}
