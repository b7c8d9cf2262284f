#include "parent_domain.h"

#include <cerrno>

#include "ledger.h"

namespace {

/** @returns null if the provider does not support the verb */
template <class T>
T* check_supported(const char* verb, const std::string& object, T* result) {
  if (!result && (errno == EOPNOTSUPP || errno == ENOSYS)) return nullptr;
  return check_pointer(verb, object, result);
}

}  // namespace

ParentDomain::ParentDomain(std::shared_ptr<ProtectionDomain> plain) : Domain(plain->context), plain_(std::move(plain)) {
  ibv_td_init_attr thread = {};
  raw = plain_->raw;
  thread_ = check_supported("ibv_alloc_td", context->device, ibv_alloc_td(context->raw, &thread));
  if (thread_) {
    ibv_parent_domain_init_attr parent = {};
    parent.pd = plain_->raw;
    parent.td = thread_;
    raw = ibv_alloc_parent_domain(context->raw, &parent);
  }
  if (!raw) {
    const int error = errno;
    ibv_dealloc_td(thread_);
    thread_ = nullptr;
    if (error != EOPNOTSUPP && error != ENOSYS) throw VerbError{"ibv_alloc_parent_domain", context->device, error};
    raw = plain_->raw;
  }
  ledger::created(Kind::parent_domain);
}

ParentDomain::~ParentDomain() {
  int result = 0;
  if (thread_) {
    result = library().ibv_dealloc_pd(raw);
    if (result == 0) result = ibv_dealloc_td(thread_);
  }
  ledger::destroyed(Kind::parent_domain, result);
}

ParentDomainHandle::ParentDomainHandle(Call& call) : HandleOf(call) {
  const auto& plain = handle_as<ProtectionDomainHandle>(call.env, call.argument(0), "ProtectionDomain");
  object_ = std::make_shared<ParentDomain>(plain.object("ibv_alloc_parent_domain"));
}

napi_value ParentDomainHandle::describe(Call& call) {
  return Record(call.env).set("threadDomain", object("describe")->has_thread_domain()).value();
}

void ParentDomainHandle::define(Environment& environment, napi_value exports) {
  define_class<ParentDomainHandle>(environment, exports, "ParentDomain",
                                   {{"describe", invoke<&ParentDomainHandle::describe>}});
}
