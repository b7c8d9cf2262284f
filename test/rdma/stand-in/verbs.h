// The public header of libibverbs, for those who implement it.
#pragma once
#pragma GCC visibility push(default)
#include <infiniband/verbs.h>
enum ibv_gid_type_sysfs : int { IBV_GID_TYPE_SYSFS_IB_ROCE_V1, IBV_GID_TYPE_SYSFS_ROCE_V2 };
extern "C" {
/// Exported by libibverbs, declared in none of its public headers.
int ibv_query_gid_type(ibv_context *context, uint8_t port, unsigned index, ibv_gid_type_sysfs *type);
int ibv_get_device_index(ibv_device *device);
}
#pragma GCC visibility pop

// Macros over functions of the same name, which a library defines.
#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_reg_mr_iova
