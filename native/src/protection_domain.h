// Domains. Regions are registered and queue pairs are created in a domain.
#pragma once
#include <memory>

#include "context.h"

/** A protection domain, or a parent domain over one. */
class Domain {
 public:
  static constexpr const char* NOUN = "domain";

  explicit Domain(std::shared_ptr<Context> context) : context(std::move(context)) {}
  virtual ~Domain() = default;
  Domain(const Domain&) = delete;

  const std::shared_ptr<Context> context;
  ibv_pd* raw = nullptr;
};

class ProtectionDomain : public Domain {
 public:
  static constexpr const char* NOUN = "protection domain";

  explicit ProtectionDomain(const std::shared_ptr<Context>& context);
  ~ProtectionDomain() override;

  /** Identifies the domain in tokens. */
  const uint32_t id;
};

/** A handle of either kind of domain. */
class AnyDomainHandle {
 public:
  virtual ~AnyDomainHandle() = default;
  /** @throws VerbError CLOSED, for `verb` */
  virtual std::shared_ptr<Domain> domain(const char* verb) const = 0;
};

/** new ProtectionDomain(context: Context | id: number) */
class ProtectionDomainHandle : public HandleOf<ProtectionDomain>, public AnyDomainHandle {
 public:
  explicit ProtectionDomainHandle(Call& call);
  std::shared_ptr<Domain> domain(const char* verb) const override { return object(verb); }

  napi_value describe(Call& call);

  static void define(Environment& environment, napi_value exports);
};
