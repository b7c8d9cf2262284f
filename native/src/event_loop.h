// The few functions of libuv that Poll uses. Node exports them, and libuv keeps its binary interface stable in 1.x, so
// the build needs no headers except those of Node-API.
#pragma once
#include <cstddef>

extern "C" {
struct uv_loop_s;
struct uv_handle_s;

constexpr int UV_POLL = 8;
constexpr int UV_READABLE = 1;

size_t uv_handle_size(int type);
int uv_poll_init(uv_loop_s* loop, uv_handle_s* poll, int fd);
int uv_poll_start(uv_handle_s* poll, int events, void (*ready)(uv_handle_s* poll, int status, int events));
void uv_close(uv_handle_s* handle, void (*closed)(uv_handle_s* handle));
void uv_ref(uv_handle_s* handle);
void uv_unref(uv_handle_s* handle);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_handle_set_data(uv_handle_s* handle, void* data);
}
