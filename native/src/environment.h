// The state of the add-on for one JavaScript thread. Closes the objects of the thread when it ends.
#pragma once
#include <node_api.h>

#include <memory>
#include <unordered_set>

#include "work_requests.h"

class Handle;

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  /** Creates the environment of `env`, and stores it as the instance data of `env`. */
  static Environment& create(napi_env env);

  explicit Environment(napi_env env);
  Environment(const Environment&) = delete;

  const napi_env env;
  uv_loop_s* loop = nullptr;
  /** The class IbverbsError, after JavaScript has passed it. */
  napi_ref error_class = nullptr;
  /** Buffers for work requests. The objects of a thread share them, because a thread makes only one call at a time. */
  WorkRequests work_requests;

  void add(Handle* handle) { handles_.insert(handle); }
  void remove(Handle* handle) { handles_.erase(handle); }

  void poll_opened() { polls_++; }
  void poll_closed();

 private:
  static void end(napi_async_cleanup_hook_handle hook, void* data);

  std::unordered_set<Handle*> handles_;
  /** Polls whose libuv handles are not closed yet. */
  unsigned polls_ = 0;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};
