// Registered memory: the bytes of a view that the device may read or write.
#pragma once
#include "protection_domain.h"

class MemoryRegion {
 public:
  static constexpr const char* NOUN = "memory region";

  MemoryRegion(std::shared_ptr<ProtectionDomain> domain, Bytes bytes, uint32_t access);
  ~MemoryRegion();
  MemoryRegion(const MemoryRegion&) = delete;

  ibv_mr* raw;

 private:
  const std::shared_ptr<ProtectionDomain> domain_;
};

/** new MemoryRegion(domain: ProtectionDomain, view: Uint8Array, access: number) */
class MemoryRegionHandle : public HandleOf<MemoryRegion> {
 public:
  explicit MemoryRegionHandle(Call& call);
  void close() override;

  napi_value describe(Call& call);

  static void define(Environment& environment, napi_value exports);

 private:
  /** Keeps the memory alive while it is registered. */
  napi_ref view_ = nullptr;
};
