// Notifies a thread that sleeps in its event loop of completions.
#pragma once
#include "context.h"

class CompletionChannel {
 public:
  static constexpr const char* NOUN = "completion channel";

  explicit CompletionChannel(std::shared_ptr<Context> context);
  ~CompletionChannel();
  CompletionChannel(const CompletionChannel&) = delete;

  const std::shared_ptr<Context> context;
  ibv_comp_channel* raw;
};

/** new CompletionChannel(context: Context) */
class CompletionChannelHandle : public HandleOf<CompletionChannel> {
 public:
  explicit CompletionChannelHandle(Call& call);
  void close() override;

  /** Starts to call `onevent(id)` of this object, with the id of the completion queue. */
  napi_value listen(Call& call);
  /** keepAlive(alive: boolean): sets whether the process and this object are kept alive. */
  napi_value keep_alive(Call& call);

  static void define(Environment& environment, napi_value exports);

 private:
  void deliver();

  std::unique_ptr<Poll> poll_;
  /** References the JavaScript object: strong while it keeps the process alive, else weak. */
  napi_ref self_ = nullptr;
  bool alive_ = false;
};
