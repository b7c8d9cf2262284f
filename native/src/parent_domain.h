// A domain for one thread. Objects that are created in it belong to that thread, so the provider does not lock them.
#pragma once
#include "protection_domain.h"

class ParentDomain : public Domain {
 public:
  static constexpr const char* NOUN = "parent domain";

  /** Uses `plain` itself if the provider does not support thread domains. */
  explicit ParentDomain(std::shared_ptr<ProtectionDomain> plain);
  ~ParentDomain() override;

  bool has_thread_domain() const { return thread_ != nullptr; }

 private:
  const std::shared_ptr<ProtectionDomain> plain_;
  ibv_td* thread_ = nullptr;
};

/** new ParentDomain(domain: ProtectionDomain) */
class ParentDomainHandle : public HandleOf<ParentDomain>, public AnyDomainHandle {
 public:
  explicit ParentDomainHandle(Call& call);
  std::shared_ptr<Domain> domain(const char* verb) const override { return object(verb); }

  napi_value describe(Call& call);

  static void define(Environment& environment, napi_value exports);
};
