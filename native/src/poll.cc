#include "poll.h"

#include <fcntl.h>

#include "error.h"
#include "event_loop.h"

struct Poll::Watch {
  Watch(Environment& environment, std::function<void()> ready)
      : environment(environment.shared_from_this()),
        memory(new char[uv_handle_size(UV_POLL)]),
        handle(reinterpret_cast<uv_handle_s*>(memory.get())),
        ready(std::move(ready)) {}

  static Watch* of(const uv_handle_s* handle) { return static_cast<Watch*>(uv_handle_get_data(handle)); }

  static void on_ready(uv_handle_s* handle, int, int) {
    const Watch* watch = of(handle);
    // Copies the function, because it may close the poll.
    const auto ready = watch->ready;
    const napi_env env = watch->environment->env;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    ready();
    napi_close_handle_scope(env, scope);
  }

  static void on_closed(uv_handle_s* handle) {
    std::unique_ptr<Watch> watch(of(handle));
    watch->environment->poll_closed();
  }

  const std::shared_ptr<Environment> environment;
  const std::unique_ptr<char[]> memory;
  uv_handle_s* const handle;
  const std::function<void()> ready;
};

Poll::Poll(Environment& environment, int fd, std::function<void()> ready)
    : watch_(new Watch(environment, std::move(ready))) {
  if (const int error = uv_poll_init(environment.loop, watch_->handle, fd)) {
    delete watch_;
    throw VerbError{"uv_poll_init", "event loop", -error};
  }
  uv_handle_set_data(watch_->handle, watch_);
  environment.poll_opened();
  uv_unref(watch_->handle);
  uv_poll_start(watch_->handle, UV_READABLE, Watch::on_ready);
}

Poll::~Poll() { uv_close(watch_->handle, Watch::on_closed); }

void Poll::keep_alive(bool alive) {
  if (alive) {
    uv_ref(watch_->handle);
  } else {
    uv_unref(watch_->handle);
  }
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }
