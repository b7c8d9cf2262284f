// A device, opened once a process; threads attach to it, and the last to let go closes it.
#pragma once
#include <memory>
#include <string>

#include "async_events.h"
#include "handle.h"
#include "library.h"

class Context {
 public:
  static constexpr const char* NOUN = "context";

  /** @throws VerbError ENODEV if this machine has no such device */
  explicit Context(const std::string& device);
  ~Context();
  Context(const Context&) = delete;

  const std::string device;
  /** What tokens name it by. */
  const uint32_t id;
  ibv_context* raw = nullptr;
  std::unique_ptr<AsyncEvents> events;
};

/** new Context(device: string | id: number) */
class ContextHandle : public HandleOf<Context> {
 public:
  explicit ContextHandle(Call& call);
  void close() override;

  napi_value describe(Call& call);
  napi_value attributes(Call& call);
  napi_value port(Call& call);
  napi_value gids(Call& call);
  /** listen(on: boolean): whether this object's `onevent` is called. */
  napi_value listen(Call& call);

  static void define(Environment& environment, napi_value exports);

 private:
  std::unique_ptr<AsyncListener> listener_;
};

/** devices(): { name, guid, nodeType, transport }[] */
napi_value list_devices(Call& call);
