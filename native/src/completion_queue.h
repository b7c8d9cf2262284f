// Holds completions until they are polled.
#pragma once
#include "completion_channel.h"
#include "parent_domain.h"

constexpr uint32_t COMPLETION_WORDS = 8;

class CompletionQueue {
 public:
  static constexpr const char* NOUN = "completion queue";

  /** `channel` and `parent` may be null. */
  CompletionQueue(std::shared_ptr<Context> context, uint32_t depth, std::shared_ptr<CompletionChannel> channel,
                  std::shared_ptr<ParentDomain> parent);
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;

  /** Identifies the queue in the events of its channel. */
  const uint32_t id;
  ibv_cq* raw = nullptr;

 private:
  ibv_cq* create(uint32_t depth) const;
  ibv_cq* create_in_thread_domain(uint32_t depth) const;

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<CompletionChannel> channel_;
  const std::shared_ptr<ParentDomain> parent_;
};

/** new CompletionQueue(context: Context, { depth, channel?, parent? }) */
class CompletionQueueHandle : public HandleOf<CompletionQueue> {
 public:
  explicit CompletionQueueHandle(Call& call);

  napi_value describe(Call& call);
  napi_value poll(Call& call);
  napi_value arm(Call& call);

  static void define(Environment& environment, napi_value exports);
};
