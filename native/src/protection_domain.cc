#include "protection_domain.h"

#include "ledger.h"
#include "registry.h"

ProtectionDomain::ProtectionDomain(const std::shared_ptr<Context>& context) : Domain(context), id(registry::next_id()) {
  raw = check_pointer("ibv_alloc_pd", context->device, library().ibv_alloc_pd(context->raw));
  ledger::created(Kind::protection_domain);
}

ProtectionDomain::~ProtectionDomain() { ledger::destroyed(Kind::protection_domain, library().ibv_dealloc_pd(raw)); }

ProtectionDomainHandle::ProtectionDomainHandle(Call& call) : HandleOf(call) {
  if (call.is_number(0)) {
    object_ = registry::protection_domain(call.number(0, "token.id"));
  } else {
    const auto& context = handle_as<ContextHandle>(call.env, call.argument(0), "Context");
    object_ = registry::allocate_protection_domain(context.object("ibv_alloc_pd"));
  }
}

napi_value ProtectionDomainHandle::describe(Call& call) {
  const auto& domain = object("describe");
  return Record(call.env).set("id", domain->id).set("context", domain->context->id).value();
}

void ProtectionDomainHandle::define(Environment& environment, napi_value exports) {
  define_class<ProtectionDomainHandle>(environment, exports, "ProtectionDomain",
                                       {{"describe", invoke<&ProtectionDomainHandle::describe>}});
}
