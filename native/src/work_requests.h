// Builds work requests from the words that JavaScript wrote. lib/request.ts documents the layout.
#pragma once
#include <infiniband/verbs.h>

#include <cstdint>
#include <vector>

constexpr uint32_t REQUEST_WORDS = 32;
constexpr uint32_t RECEIVE_WORDS = 20;
constexpr uint32_t SGES_MAX = 4;

/** Buffers to build work requests in. They are allocated once and reused for every batch. */
class WorkRequests {
 public:
  /** Allocates space for lists of `sends` and of `receives` requests. No other function here allocates. */
  void reserve(uint32_t sends, uint32_t receives);

  uint32_t sends_max() const { return static_cast<uint32_t>(sends_.size()); }
  uint32_t receives_max() const { return static_cast<uint32_t>(receives_.size()); }

  /**
   * Builds a linked list of `count` ≤ sends_max() requests, which is valid until the next list is built.
   * @throws WrongValue for an unknown opcode, unknown flags or too many SGEs
   */
  ibv_send_wr* build_sends(const uint32_t* words, uint32_t count);
  ibv_recv_wr* build_receives(const uint32_t* words, uint32_t count);

  /** The index of a request in its list. */
  uint32_t position(const ibv_send_wr* request) const { return static_cast<uint32_t>(request - sends_.data()); }
  uint32_t position(const ibv_recv_wr* request) const { return static_cast<uint32_t>(request - receives_.data()); }

 private:
  std::vector<ibv_send_wr> sends_;
  std::vector<ibv_recv_wr> receives_;
  /** SGES_MAX for each request; sends and receives are never built at the same time. */
  std::vector<ibv_sge> sges_;
};
