// What devices say of themselves.
#include "device.h"
#include <cerrno>
#include <endian.h>

namespace stand_in {

static constexpr uint64_t guidBase = 0x505400fffe000001;

Device::Device(int index) : index(index) {
  device.node_type = IBV_NODE_CA;
  device.transport_type = IBV_TRANSPORT_IB;
  std::strcpy(device.name, "standin0");
  std::strcpy(device.dev_name, "uverbs0");
  device.name[7] = device.dev_name[6] = static_cast<char>('0' + index);
}

Device &Device::at(int index) {
  static Device devices[Limits::devices] = {Device(0), Device(1)};
  return devices[index];
}

__be64 Device::guid() const { return htobe64(guidBase + index); }

/// As RoCE v2 has them: link-local, then the IPv4 address.
ibv_gid Device::gid(unsigned at) const {
  ibv_gid gid{};
  if (at == 0) {
    gid.global.subnet_prefix = htobe64(0xfe80ull << 48);
    gid.global.interface_id = guid();
  } else if (at == 1) {
    gid.global.interface_id = htobe64(0xffff0a000001ull + index);
  }
  return gid;
}

Device *Device::withGid(const ibv_gid &gid) {
  for (int device = 0; device < Limits::devices; device++)
    for (int at = 0; at < Limits::gids; at++) {
      const ibv_gid own = Device::at(device).gid(at);
      if (std::memcmp(&own, &gid, sizeof gid) == 0) return &Device::at(device);
    }
  return nullptr;
}

ibv_device_attr Device::attributes() const {
  ibv_device_attr attributes{};
  std::strcpy(attributes.fw_ver, "stand-in");
  attributes.node_guid = attributes.sys_image_guid = guid();
  attributes.max_mr_size = UINT64_MAX;
  attributes.page_size_cap = 4096;
  attributes.max_qp = Limits::queuePairs;
  attributes.max_qp_wr = attributes.max_srq_wr = Limits::workRequests;
  attributes.max_sge = attributes.max_sge_rd = attributes.max_srq_sge = Limits::sges;
  attributes.max_cq = attributes.max_pd = attributes.max_srq = 65536;
  attributes.max_cqe = Limits::completions;
  attributes.max_mr = 65535;
  attributes.max_qp_rd_atom = attributes.max_qp_init_rd_atom = Limits::readsInFlight;
  attributes.max_res_rd_atom = Limits::readsInFlight * Limits::queuePairs;
  attributes.atomic_cap = IBV_ATOMIC_GLOB;
  attributes.max_pkeys = 1;
  attributes.phys_port_cnt = 1;
  return attributes;
}

ibv_port_attr Device::port() const {
  ibv_port_attr port{};
  port.state = state;
  port.max_mtu = port.active_mtu = IBV_MTU_4096;
  port.gid_tbl_len = Limits::gids;
  port.port_cap_flags = IBV_PORT_CM_SUP | IBV_PORT_IP_BASED_GIDS;
  port.max_msg_sz = Limits::messageBytes;
  port.pkey_tbl_len = 1;
  port.active_width = 2;
  port.active_speed = 32;
  port.phys_state = active() ? 5 : 3;
  port.link_layer = IBV_LINK_LAYER_ETHERNET;
  return port;
}

void Device::setPortState(ibv_port_state to) { state = to; }

} // namespace stand_in

using namespace stand_in;

extern "C" const char *ibv_get_device_name(ibv_device *device) { return device->name; }

extern "C" int ibv_get_device_index(ibv_device *device) { return device->name[7] - '0'; }

extern "C" __be64 ibv_get_device_guid(ibv_device *device) { return Device::of(device)->guid(); }

extern "C" int ibv_query_device(ibv_context *context, ibv_device_attr *attributes) {
  *attributes = Device::of(context)->attributes();
  return 0;
}

extern "C" int ibv_query_port(ibv_context *context, uint8_t port, _compat_ibv_port_attr *attributes) {
  if (port != 1) return EINVAL;
  const ibv_port_attr all = Device::of(context)->port();
  // Callers of this form know the structure as it was before `flags`.
  std::memcpy(static_cast<void *>(attributes), &all, offsetof(ibv_port_attr, flags));
  return 0;
}

extern "C" int ibv_query_gid(ibv_context *context, uint8_t port, int index, ibv_gid *gid) {
  if (port != 1 || index < 0 || index >= Limits::gids) return errno = EINVAL, -1;
  *gid = Device::of(context)->gid(index);
  return 0;
}

extern "C" int ibv_query_gid_type(ibv_context *, uint8_t port, unsigned index, ibv_gid_type_sysfs *type) {
  if (port != 1 || index >= Limits::gids) return errno = EINVAL, -1;
  *type = IBV_GID_TYPE_SYSFS_ROCE_V2;
  return 0;
}

extern "C" int _ibv_query_gid_ex(ibv_context *context, uint32_t port, uint32_t index, ibv_gid_entry *entry,
                                 uint32_t flags, size_t size) {
  if (port != 1 || index >= Limits::gids || flags != 0 || size < sizeof *entry) return EINVAL;
  *entry = {Device::of(context)->gid(index), index, port, IBV_GID_TYPE_ROCE_V2, 1};
  return 0;
}

extern "C" ssize_t _ibv_query_gid_table(ibv_context *context, ibv_gid_entry *entries, size_t count,
                                        uint32_t flags, size_t size) {
  const uint32_t most = count < Limits::gids ? count : Limits::gids;
  for (uint32_t at = 0; at < most; at++)
    if (const int error = _ibv_query_gid_ex(context, 1, at, entries + at, flags, size)) return -error;
  return most;
}

extern "C" int ibv_query_pkey(ibv_context *, uint8_t port, int index, __be16 *pkey) {
  if (port != 1 || index != 0) return errno = EINVAL, -1;
  *pkey = htobe16(0xffff);
  return 0;
}

extern "C" int ibv_get_pkey_index(ibv_context *, uint8_t port, __be16 pkey) {
  return port == 1 && pkey == htobe16(0xffff) ? 0 : -1;
}
