#include "memory_region.h"

#include <sys/resource.h>

#include <cerrno>

#include "ledger.h"

// JavaScript uses the numbers of the verbs API.
static_assert(IBV_ACCESS_LOCAL_WRITE == 1 && IBV_ACCESS_REMOTE_WRITE == 2);
static_assert(IBV_ACCESS_REMOTE_READ == 4 && IBV_ACCESS_REMOTE_ATOMIC == 8);

namespace {

/** Says what to do if registration runs out of memory. The kernel does not say which of its limits was reached. */
std::string limits() {
  rlimit locked{};
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur != RLIM_INFINITY) {
    return "without CAP_IPC_LOCK this process can lock only " + std::to_string(locked.rlim_cur) +
           " bytes of memory; set ulimit -l unlimited, or LimitMEMLOCK=infinity in its service";
  }
  return "locked memory has no limit here; give the machine or the control group more memory, or register less";
}

}  // namespace

MemoryRegion::MemoryRegion(std::shared_ptr<ProtectionDomain> domain, Bytes bytes, uint32_t access)
    : domain_(std::move(domain)) {
  raw = library().ibv_reg_mr(domain_->raw, bytes.data, bytes.length, static_cast<int>(access));
  if (!raw) {
    const std::string object = std::to_string(bytes.length) + " bytes on " + domain_->context->device;
    if (errno == ENOMEM) throw VerbError{"ibv_reg_mr", object, ENOMEM, nullptr, limits()};
    throw_errno("ibv_reg_mr", object);
  }
  ledger::created(Kind::memory_region);
}

MemoryRegion::~MemoryRegion() { ledger::destroyed(Kind::memory_region, library().ibv_dereg_mr(raw)); }

MemoryRegionHandle::MemoryRegionHandle(Call& call) : HandleOf(call) {
  const auto& domain = handle_as<ProtectionDomainHandle>(call.env, call.argument(0), "ProtectionDomain");
  const Bytes bytes = bytes_of(call.env, call.argument(1), "view");
  object_ = std::make_shared<MemoryRegion>(domain.object("ibv_reg_mr"), bytes, call.number(2, "access"));
  napi_create_reference(call.env, call.argument(1), 1, &view_);
}

void MemoryRegionHandle::close() {
  object_.reset();
  if (view_) napi_delete_reference(environment_->env, view_);
  view_ = nullptr;
}

napi_value MemoryRegionHandle::describe(Call& call) {
  const ibv_mr* region = object("describe")->raw;
  return Record(call.env)
      .set_u64("address", reinterpret_cast<uint64_t>(region->addr))
      .set("byteLength", static_cast<double>(region->length))
      .set("lkey", region->lkey)
      .set("rkey", region->rkey)
      .value();
}

void MemoryRegionHandle::define(Environment& environment, napi_value exports) {
  define_class<MemoryRegionHandle>(environment, exports, "MemoryRegion",
                                   {{"describe", invoke<&MemoryRegionHandle::describe>}});
}
