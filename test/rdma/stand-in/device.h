#pragma once
#include "doorbell.h"
#include "event_queue.h"
#include "verbs.h"
#include <atomic>
#include <cstring>

namespace stand_in {

/// What the devices grant.
struct Limits {
  static constexpr int devices = 2, queuePairs = 4096, workRequests = 16384, sges = 16, completions = 1 << 20,
                       readsInFlight = 128, gids = 2, inlineBytes = 512;
  static constexpr uint32_t messageBytes = 1u << 30;
};

/// One device with one port: a host of its own, as far as GIDs go.
class Device {
 public:
  static Device *of(const ibv_context *context) { return of(context->device); }
  static Device *of(ibv_device *device) { return reinterpret_cast<Device *>(device); }
  static Device &at(int index);
  /// @returns the device with this GID; nullptr: out of reach
  static Device *withGid(const ibv_gid &gid);

  explicit Device(int index);
  ibv_gid gid(unsigned index) const;
  bool active() const { return state.load(std::memory_order_relaxed) == IBV_PORT_ACTIVE; }
  void setPortState(ibv_port_state to);
  __be64 guid() const;
  ibv_device_attr attributes() const;
  ibv_port_attr port() const;

  ibv_device device{};
  SharedDoorbells doorbells;

 private:
  const int index;
  std::atomic<ibv_port_state> state{IBV_PORT_ACTIVE};
};

/// An open device. `verbs` comes first: its address is the context's.
struct Context {
  static Context *of(const ibv_context *context);
  explicit Context(Device &device);

  verbs_context verbs{};
  EventQueue events;
};

/// Fills in what the header's inline functions call.
void setOperations(verbs_context &verbs);

} // namespace stand_in
