#include "work_requests.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "error.h"

// JavaScript uses the numbers of the verbs API.
static_assert(IBV_WR_RDMA_WRITE == 0 && IBV_WR_RDMA_WRITE_WITH_IMM == 1 && IBV_WR_SEND == 2 && IBV_WR_SEND_WITH_IMM == 3);
static_assert(IBV_WR_RDMA_READ == 4 && IBV_WR_ATOMIC_CMP_AND_SWP == 5 && IBV_WR_ATOMIC_FETCH_AND_ADD == 6);
static_assert(IBV_SEND_FENCE == 1 && IBV_SEND_SIGNALED == 2 && IBV_SEND_SOLICITED == 4 && IBV_SEND_INLINE == 8);
static_assert(sizeof(ibv_sge) == 16, "an SGE is four words");

namespace {

constexpr uint32_t OPCODE_MAX = IBV_WR_ATOMIC_FETCH_AND_ADD;
constexpr uint32_t FLAGS = IBV_SEND_FENCE | IBV_SEND_SIGNALED | IBV_SEND_SOLICITED | IBV_SEND_INLINE;

uint64_t u64(const uint32_t* words) {
  uint64_t value;
  std::memcpy(&value, words, sizeof value);
  return value;
}

[[noreturn]] void refuse(uint32_t position, const char* what, uint32_t value) {
  throw WrongValue{"requests[" + std::to_string(position) + "]", std::string("invalid ") + what + ": " + std::to_string(value)};
}

/** Copies SGEs from the caller's words, because other threads may write to them. @returns how many */
int copy_sges(ibv_sge* to, const uint32_t* from, uint32_t count, uint32_t position) {
  if (count > SGES_MAX) refuse(position, "number of SGEs", count);
  std::memcpy(to, from, count * sizeof(ibv_sge));
  return static_cast<int>(count);
}

void set_remote(ibv_send_wr& request, const uint32_t* words) {
  if (request.opcode == IBV_WR_ATOMIC_CMP_AND_SWP || request.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    request.wr.atomic.remote_addr = u64(words + 6);
    request.wr.atomic.rkey = words[8];
    request.wr.atomic.compare_add = u64(words + 10);
    request.wr.atomic.swap = u64(words + 12);
  } else {
    request.wr.rdma.remote_addr = u64(words + 6);
    request.wr.rdma.rkey = words[8];
  }
}

/** Ends the list after `count` requests. */
template <class Request>
Request* linked(std::vector<Request>& requests, uint32_t count) {
  requests[count - 1].next = nullptr;
  return requests.data();
}

template <class Request>
void grow(std::vector<Request>& requests, uint32_t count) {
  if (count > requests.size()) requests.resize(count);
}

}  // namespace

void WorkRequests::reserve(uint32_t sends, uint32_t receives) {
  grow(sends_, std::max(sends, 1u));
  grow(receives_, std::max(receives, 1u));
  grow(sges_, std::max(sends_max(), receives_max()) * SGES_MAX);
}

ibv_send_wr* WorkRequests::build_sends(const uint32_t* words, uint32_t count) {
  for (uint32_t i = 0; i < count; i++, words += REQUEST_WORDS) {
    ibv_send_wr& request = sends_[i];
    const uint32_t opcode = words[0], flags = words[1];
    if (opcode > OPCODE_MAX) refuse(i, "opcode", opcode);
    if (flags & ~FLAGS) refuse(i, "flags", flags);
    request.wr_id = u64(words + 2);
    request.next = &request + 1;
    request.sg_list = &sges_[i * SGES_MAX];
    request.num_sge = copy_sges(request.sg_list, words + 16, words[5], i);
    request.opcode = static_cast<ibv_wr_opcode>(opcode);
    request.send_flags = flags;
    request.imm_data = htonl(words[4]);
    set_remote(request, words);
  }
  return linked(sends_, count);
}

ibv_recv_wr* WorkRequests::build_receives(const uint32_t* words, uint32_t count) {
  for (uint32_t i = 0; i < count; i++, words += RECEIVE_WORDS) {
    ibv_recv_wr& request = receives_[i];
    request.wr_id = u64(words);
    request.next = &request + 1;
    request.sg_list = &sges_[i * SGES_MAX];
    request.num_sge = copy_sges(request.sg_list, words + 4, words[2], i);
  }
  return linked(receives_, count);
}
