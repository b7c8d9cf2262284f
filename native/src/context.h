// A device, which a process opens once. Threads attach to it, and it closes when the last thread releases it.
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
  /** Identifies the context in tokens. */
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
  /** listen(on: boolean): starts or stops the calls of `onevent` of this object. */
  napi_value listen(Call& call);

  static void define(Environment& environment, napi_value exports);

 private:
  std::unique_ptr<AsyncListener> listener_;
};

/** devices(): { name, guid, nodeType, transport }[] */
napi_value list_devices(Call& call);
