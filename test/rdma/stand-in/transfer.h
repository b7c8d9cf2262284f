#pragma once
#include "queue_pair.h"

namespace stand_in {

/// One request, from its queue pair to the peer: everything a device checks, and the bytes.
class Transfer {
 public:
  struct Outcome {
    ibv_wc_status status = IBV_WC_SUCCESS;
    uint32_t bytes = 0;
    /// The peer is not ready; whoever makes it so wakes the queue pair.
    bool waits = false;
    /// Answered with an error, which breaks it too; 0: did not.
    uint32_t brokenPeer = 0;
    int peerEvent = noEvent;
  };

  Transfer(QueuePair &from, const WorkRequest &request) : from(from), request(request) {}
  Outcome run();

 private:
  struct Span {
    char *at;
    uint32_t size;
  };
  struct Spans {
    Span spans[Limits::sges];
    uint32_t count = 0;
    uint64_t bytes = 0;
    void add(char *at, uint32_t size) { spans[count++] = {at, size}, bytes += size; }
    bool add(const ibv_sge *sges, uint32_t count, const Domain *domain, int access);
  };
  enum class Reach { ready, notYet, never };

  static void copy(const Spans &from, const Spans &to);
  static Outcome failed(ibv_wc_status status) { return {status, 0, false, 0, noEvent}; }
  Outcome refused(ibv_wc_status status, int event) const { return {status, 0, false, to->qp.qp_num, event}; }
  Reach reach();
  bool meets() const;
  bool gather();
  Outcome oneSided();
  Outcome receive();
  Outcome scatter(const Receive &into);
  ibv_wc_status remote(char *&at);
  ReceiveQueue &receives() const { return to->shared ? to->shared->receives : to->receives; }
  void completeReceive(const Receive &receive) const;
  Outcome failReceive(const Receive &receive, ibv_wc_status there, ibv_wc_status here) const;

  QueuePair &from;
  const WorkRequest &request;
  QueuePair *to = nullptr;
  Spans local;
  char *memory = nullptr; ///< the peer's, where the request names it
};

} // namespace stand_in
