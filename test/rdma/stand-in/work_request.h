#pragma once
#include "verbs.h"

namespace stand_in {

/// A send request as it lies in its slot; the caller's own may change as soon as it is posted.
struct alignas(16) WorkRequest {
  uint64_t id;
  ibv_wr_opcode opcode;
  uint32_t flags;
  __be32 immediate;
  uint32_t rkey;
  uint64_t remoteAddress, compareAdd, swap;
  uint32_t count; ///< SGEs; none where the bytes are inline
  uint32_t inlineBytes;

  bool isInline() const { return (flags & IBV_SEND_INLINE) != 0; }
  ibv_sge *sges() { return reinterpret_cast<ibv_sge *>(this + 1); }
  const ibv_sge *sges() const { return reinterpret_cast<const ibv_sge *>(this + 1); }
  char *bytes() { return reinterpret_cast<char *>(this + 1); }
  const char *bytes() const { return reinterpret_cast<const char *>(this + 1); }
  bool hasImmediate() const { return opcode == IBV_WR_SEND_WITH_IMM || opcode == IBV_WR_RDMA_WRITE_WITH_IMM; }
  bool isSend() const { return opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM; }
  bool isAtomic() const { return opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD; }
  bool readsRemote() const { return opcode == IBV_WR_RDMA_READ || isAtomic(); }
  bool takesReceive() const { return isSend() || opcode == IBV_WR_RDMA_WRITE_WITH_IMM; }
};

} // namespace stand_in
