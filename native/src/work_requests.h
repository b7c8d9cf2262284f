// Work requests, built from the words that JavaScript wrote (lib/request.ts says which is where).
#pragma once
#include <infiniband/verbs.h>

#include <cstdint>
#include <vector>

constexpr uint32_t REQUEST_WORDS = 32;
constexpr uint32_t RECEIVE_WORDS = 20;
constexpr uint32_t SGES_MAX = 4;

/** A place to build work requests in, made once and used for every batch. */
class WorkRequests {
 public:
  /** Makes room for lists of `sends` and of `receives`; the only thing here that allocates. */
  void reserve(uint32_t sends, uint32_t receives);

  uint32_t sends_max() const { return static_cast<uint32_t>(sends_.size()); }
  uint32_t receives_max() const { return static_cast<uint32_t>(receives_.size()); }

  /**
   * A linked list of `count` ≤ sends_max() requests, good until the next is built.
   * @throws WrongValue for an opcode, flags or a number of SGEs that do not exist
   */
  ibv_send_wr* build_sends(const uint32_t* words, uint32_t count);
  ibv_recv_wr* build_receives(const uint32_t* words, uint32_t count);

  /** Where in its list a request is. */
  uint32_t position(const ibv_send_wr* request) const { return static_cast<uint32_t>(request - sends_.data()); }
  uint32_t position(const ibv_recv_wr* request) const { return static_cast<uint32_t>(request - receives_.data()); }

 private:
  std::vector<ibv_send_wr> sends_;
  std::vector<ibv_recv_wr> receives_;
  /** SGES_MAX for each request; sends and receives are never built at the same time. */
  std::vector<ibv_sge> sges_;
};
