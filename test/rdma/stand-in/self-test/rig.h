// What cases are made of: hosts, queue pairs, requests.
#pragma once
#include "../stand_in.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <infiniband/verbs.h>
#include <vector>

#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)
#define EQUAL(left, right) equal(left, right, #left " = " #right, __FILE__, __LINE__)

inline void check(bool held, const char *what, const char *file, int line) {
  if (held) return;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
  std::exit(1);
}

template <typename Left, typename Right>
void equal(Left left, Right right, const char *what, const char *file, int line) {
  if (static_cast<long long>(left) == static_cast<long long>(right)) return;
  std::fprintf(stderr, "%s:%d: %s, but %lld and %lld\n", file, line, what, static_cast<long long>(left),
               static_cast<long long>(right));
  std::exit(1);
}

constexpr int everyAccess =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

struct Options {
  bool threadDomain = false, sharedReceives = false;
  int serviceLevel = 0, depth = 64, access = everyAccess;
  ibv_comp_channel *channel = nullptr;
};

/// One end: a device, memory, and a queue pair to be connected.
struct End {
  explicit End(int device, Options options = {});
  ~End();
  End(const End &) = delete;
  int toInit();
  int toReady(const End &peer);
  int toSend(int rnrRetries = 7);
  int modify(ibv_qp_state state);
  ibv_qp_state state() const;
  /// @returns the next completion, which has to be there
  ibv_wc next();
  void none();
  int send(ibv_wr_opcode opcode, const End &to, uint32_t bytes = 64, int flags = IBV_SEND_SIGNALED, uint64_t id = 1);
  int post(ibv_send_wr request);
  int receive(uint32_t bytes = 4096, uint64_t id = 100);
  ibv_sge sge(uint32_t offset, uint32_t bytes) const;
  /// A request for `bytes` from the start of this memory to offset 0 of the peer's.
  ibv_send_wr request(ibv_wr_opcode opcode, const End &to, ibv_sge *sge, int flags = IBV_SEND_SIGNALED) const;

  Options options;
  std::vector<char> memory;
  ibv_context *context;
  ibv_pd *base, *pd;
  ibv_td *td = nullptr;
  ibv_cq *cq;
  ibv_srq *srq = nullptr;
  ibv_mr *mr;
  ibv_qp *qp;
};

/// Two ends of one connection.
struct Pair {
  explicit Pair(Options a = {}, Options b = {}, int rnrRetries = 7) : a(0, a), b(1, b) {
    this->a.toInit(), this->b.toInit();
    this->a.toReady(this->b), this->b.toReady(this->a);
    this->a.toSend(rnrRetries), this->b.toSend(rnrRetries);
  }
  End a, b;
};
