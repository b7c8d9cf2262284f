// A reliable connection.
#pragma once
#include "completion_queue.h"
#include "shared_receive_queue.h"

/** The parts of a queue pair. `shared_receives` may be null. */
struct QueuePairParts {
  std::shared_ptr<Domain> domain;
  std::shared_ptr<CompletionQueue> send_queue;
  std::shared_ptr<CompletionQueue> receive_queue;
  std::shared_ptr<SharedReceiveQueue> shared_receives;
};

class QueuePair {
 public:
  static constexpr const char* NOUN = "queue pair";

  /** Sets `capacity` to what the device granted. */
  QueuePair(QueuePairParts parts, ibv_qp_cap& capacity);
  ~QueuePair();
  QueuePair(const QueuePair&) = delete;

  /** The name of the queue pair in errors. */
  std::string name() const { return NOUN + (" " + std::to_string(raw->qp_num)); }
  void modify(ibv_qp_attr& attributes, int mask);

  ibv_qp* raw;
  const uint32_t inline_bytes_max;

 private:
  const QueuePairParts parts_;
};

/** new QueuePair(domain, { sendQueue, receiveQueue, sharedReceives?, maxSends, maxReceives, maxSge, maxInlineBytes }) */
class QueuePairHandle : public HandleOf<QueuePair> {
 public:
  explicit QueuePairHandle(Call& call);

  napi_value describe(Call& call);
  napi_value to_init(Call& call);
  napi_value to_ready_to_receive(Call& call);
  napi_value to_ready_to_send(Call& call);
  napi_value to_error(Call& call);
  napi_value to_reset(Call& call);
  napi_value query(Call& call);
  napi_value post_sends(Call& call);
  napi_value post_receives(Call& call);

  static void define(Environment& environment, napi_value exports);

 private:
  napi_value to_state(ibv_qp_state state);
};
