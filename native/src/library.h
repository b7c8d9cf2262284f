// libibverbs, opened on first use, so that the add-on also loads on machines without it.
#pragma once
#include <infiniband/verbs.h>

// These macros have the names of functions, and would hide the symbols.
#undef ibv_get_device_list
#undef ibv_query_port
#undef ibv_reg_mr

// All verbs that are symbols. Other verbs are inline, and call the function table in their context.
#define IBVERBS_SYMBOLS(X)   \
  X(ibv_get_device_list)     \
  X(ibv_free_device_list)    \
  X(ibv_get_device_name)     \
  X(ibv_get_device_guid)     \
  X(ibv_open_device)         \
  X(ibv_close_device)        \
  X(ibv_query_device)        \
  X(ibv_query_port)          \
  X(ibv_query_gid)           \
  X(ibv_get_async_event)     \
  X(ibv_ack_async_event)     \
  X(ibv_alloc_pd)            \
  X(ibv_dealloc_pd)          \
  X(ibv_reg_mr)              \
  X(ibv_dereg_mr)            \
  X(ibv_create_comp_channel) \
  X(ibv_destroy_comp_channel) \
  X(ibv_create_cq)           \
  X(ibv_destroy_cq)          \
  X(ibv_get_cq_event)        \
  X(ibv_ack_cq_events)       \
  X(ibv_create_srq)          \
  X(ibv_destroy_srq)         \
  X(ibv_create_qp)           \
  X(ibv_modify_qp)           \
  X(ibv_query_qp)            \
  X(ibv_destroy_qp)

// Symbols that older libraries do not have. They are null there.
#define IBVERBS_OPTIONAL_SYMBOLS(X) \
  X(_ibv_query_gid_ex)              \
  X(_ibv_query_gid_table)

struct Library {
#define X(name) decltype(&::name) name = nullptr;
  IBVERBS_SYMBOLS(X)
  IBVERBS_OPTIONAL_SYMBOLS(X)
#undef X
};

/** @throws VerbError LIBRARY_MISSING, which names the library or the symbol; the next call tries again */
const Library& library();
