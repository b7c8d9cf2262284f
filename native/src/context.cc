#include "context.h"

#include <arpa/inet.h>
#include <endian.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "ledger.h"
#include "registry.h"

namespace {

/** The list of devices, which libibverbs allocates. */
class DeviceList {
 public:
  DeviceList() : list_(library().ibv_get_device_list(&count_)) {
    // ENOSYS: the kernel does not support RDMA, so the machine has no devices.
    if (!list_ && errno != ENOSYS) throw_errno("ibv_get_device_list", "devices");
    if (!list_) count_ = 0;
  }
  ~DeviceList() {
    if (list_) library().ibv_free_device_list(list_);
  }
  DeviceList(const DeviceList&) = delete;
  ibv_device** begin() const { return list_; }
  ibv_device** end() const { return list_ + count_; }

 private:
  int count_ = 0;
  ibv_device** list_;
};

ibv_context* open_device(const std::string& name) {
  const DeviceList devices;
  for (ibv_device* device : devices) {
    if (name != library().ibv_get_device_name(device)) continue;
    return check_pointer("ibv_open_device", name, library().ibv_open_device(device));
  }
  throw VerbError{"ibv_open_device", name, ENODEV};
}

/** Does the same as the inline ibv_query_port: it gets all attributes from providers that know them. */
int query_port(ibv_context* context, uint8_t port, ibv_port_attr* attributes) {
  std::memset(attributes, 0, sizeof *attributes);
  if (verbs_context* extended = verbs_get_ctx_op(context, query_port)) {
    return extended->query_port(context, port, attributes, sizeof *attributes);
  }
  return library().ibv_query_port(context, port, reinterpret_cast<_compat_ibv_port_attr*>(attributes));
}

/** Reads all GIDs in one call. Returns none if the library or its provider cannot do that. */
std::vector<ibv_gid_entry> gid_table(ibv_context* context, uint32_t port, size_t room) {
  std::vector<ibv_gid_entry> entries(room), found;
  if (!library()._ibv_query_gid_table) return found;
  const ssize_t count = library()._ibv_query_gid_table(context, entries.data(), room, 0, sizeof(ibv_gid_entry));
  for (ssize_t i = 0; i < count; i++) {
    if (entries[i].port_num == port) found.push_back(entries[i]);
  }
  return found;
}

constexpr uint32_t TYPE_UNKNOWN = UINT32_MAX;

/** Reads one GID after the other, which every library supports. Leaves out GIDs that are zero. */
std::vector<ibv_gid_entry> gids_one_by_one(ibv_context* context, uint32_t port, int count) {
  static const ibv_gid none = {};
  std::vector<ibv_gid_entry> found;
  for (int i = 0; i < count; i++) {
    ibv_gid_entry entry = {};
    const auto extended = library()._ibv_query_gid_ex;
    if (!extended || extended(context, port, i, &entry, 0, sizeof entry) != 0) {
      if (library().ibv_query_gid(context, port, i, &entry.gid) != 0) continue;
      entry.gid_index = i;
      entry.gid_type = TYPE_UNKNOWN;
    }
    if (std::memcmp(&entry.gid, &none, sizeof none) != 0) found.push_back(entry);
  }
  return found;
}

napi_value gid_record(napi_env env, const ibv_gid_entry& entry) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, entry.gid.raw, text, sizeof text);
  void* bytes = nullptr;
  napi_value buffer = nullptr, raw = nullptr;
  napi_create_arraybuffer(env, sizeof entry.gid.raw, &bytes, &buffer);
  if (!bytes) throw Pending{};
  std::memcpy(bytes, entry.gid.raw, sizeof entry.gid.raw);
  napi_create_typedarray(env, napi_uint8_array, sizeof entry.gid.raw, buffer, 0, &raw);
  return Record(env)
      .set("index", entry.gid_index)
      .set("raw", raw)
      .set("text", text)
      .set("type", entry.gid_type)
      .value();
}

template <class Items, class Make>
napi_value list(napi_env env, const Items& items, Make&& make) {
  napi_value array = nullptr;
  napi_create_array(env, &array);
  uint32_t i = 0;
  for (const auto& item : items) napi_set_element(env, array, i++, make(item));
  return array;
}

}  // namespace

Context::Context(const std::string& device) : device(device), id(registry::next_id()), raw(open_device(device)) {
  ledger::created(Kind::context);
  events = std::make_unique<AsyncEvents>(raw);
}

Context::~Context() { ledger::destroyed(Kind::context, library().ibv_close_device(raw)); }

ContextHandle::ContextHandle(Call& call) : HandleOf(call) {
  object_ = call.is_number(0) ? registry::context(call.number(0, "token.id")) : registry::open_context(call.text(0));
}

void ContextHandle::close() {
  listener_.reset();
  object_.reset();
}

napi_value ContextHandle::describe(Call& call) {
  const auto& context = object("describe");
  return Record(call.env).set("device", context->device.c_str()).set("id", context->id).value();
}

napi_value ContextHandle::attributes(Call& call) {
  const auto& context = object("ibv_query_device");
  ibv_device_attr attributes = {};
  check("ibv_query_device", context->device, library().ibv_query_device(context->raw, &attributes));
  return Record(call.env)
      .set("firmware", attributes.fw_ver)
      .set("maxQueuePairs", attributes.max_qp)
      .set("maxWorkRequests", attributes.max_qp_wr)
      .set("maxSge", attributes.max_sge)
      .set("maxCompletionQueues", attributes.max_cq)
      .set("maxCompletions", attributes.max_cqe)
      .set("maxMemoryRegions", attributes.max_mr)
      .set_u64("maxMemoryRegionBytes", attributes.max_mr_size)
      .set("maxReadsInFlight", attributes.max_qp_rd_atom)
      .set("maxSharedReceiveQueues", attributes.max_srq)
      .set("ports", attributes.phys_port_cnt)
      .set_u64("pageSizes", attributes.page_size_cap)
      .set("vendorId", attributes.vendor_id)
      .value();
}

napi_value ContextHandle::port(Call& call) {
  const auto& context = object("ibv_query_port");
  ibv_port_attr attributes;
  check("ibv_query_port", context->device, query_port(context->raw, call.number(0, "port"), &attributes));
  return Record(call.env)
      .set("state", attributes.state)
      .set("maxMtu", attributes.max_mtu)
      .set("activeMtu", attributes.active_mtu)
      .set("gids", attributes.gid_tbl_len)
      .set("lid", attributes.lid)
      .set("linkLayer", attributes.link_layer)
      .set("maxMessageBytes", attributes.max_msg_sz)
      .value();
}

napi_value ContextHandle::gids(Call& call) {
  const auto& context = object("ibv_query_gid");
  const uint32_t port = call.number(0, "port");
  ibv_device_attr device = {};
  ibv_port_attr attributes;
  check("ibv_query_device", context->device, library().ibv_query_device(context->raw, &device));
  check("ibv_query_port", context->device, query_port(context->raw, port, &attributes));
  // The table holds the GIDs of all ports, and needs one free entry.
  auto gids = gid_table(context->raw, port, static_cast<size_t>(attributes.gid_tbl_len) * device.phys_port_cnt + 1);
  if (gids.empty()) gids = gids_one_by_one(context->raw, port, attributes.gid_tbl_len);
  return list(call.env, gids, [&](const ibv_gid_entry& entry) { return gid_record(call.env, entry); });
}

napi_value ContextHandle::listen(Call& call) {
  const auto& context = object("ibv_get_async_event");
  listener_.reset();
  if (call.flag(0)) listener_ = std::make_unique<AsyncListener>(*environment_, context, call.self);
  return nullptr;
}

void ContextHandle::define(Environment& environment, napi_value exports) {
  define_class<ContextHandle>(environment, exports, "Context",
                              {{"describe", invoke<&ContextHandle::describe>},
                               {"attributes", invoke<&ContextHandle::attributes>},
                               {"port", invoke<&ContextHandle::port>},
                               {"gids", invoke<&ContextHandle::gids>},
                               {"listen", invoke<&ContextHandle::listen>}});
}

napi_value list_devices(Call& call) {
  const DeviceList devices;
  return list(call.env, devices, [&](ibv_device* device) {
    return Record(call.env)
        .set("name", library().ibv_get_device_name(device))
        .set_u64("guid", be64toh(library().ibv_get_device_guid(device)))
        .set("nodeType", device->node_type)
        .set("transport", device->transport_type)
        .value();
  });
}
