#pragma once
#include "thread_domain.h"
#include "verbs.h"
#include <atomic>

namespace stand_in {

/// Registered memory. Keys name a slot of a fixed table and how often it was used before, so a late key is known.
class MemoryRegion {
 public:
  /// Only while present (see Thread): who deregisters waits for those who are.
  /// @returns where `address` lies, or nullptr where the key does not allow it
  static char *local(uint32_t lkey, uint64_t address, uint64_t length, const Domain *domain, int access) {
    return isRemote(lkey) ? nullptr : at(lkey).find(lkey, address, length, domain, access);
  }
  static char *remote(uint32_t rkey, uint64_t address, uint64_t length, const Domain *domain, int access) {
    return isRemote(rkey) ? at(rkey).find(rkey ^ remoteBit, address, length, domain, access) : nullptr;
  }
  static ibv_mr *enrol(Domain *domain, void *address, size_t length, uint64_t iova, int access);
  static void resign(ibv_mr *mr);

 private:
  static constexpr uint32_t regionsMax = 65536;
  /// An lkey is not its region's rkey, though many devices make them so.
  static constexpr uint32_t remoteBit = 1u << 31;
  static MemoryRegion regions[regionsMax];
  static bool isRemote(uint32_t key) { return (key & remoteBit) != 0; }
  static MemoryRegion &at(uint32_t key) { return regions[(key >> 8) % regionsMax]; }

  char *find(uint32_t key, uint64_t from, uint64_t length, const Domain *domain, int access) const {
    if (live.load(std::memory_order_acquire) != key || key == 0 || domain != owner) return nullptr;
    if ((allowed & access) != access) return nullptr;
    if (from < iova || length > size || from - iova > size - length) return nullptr;
    return memory + (from - iova);
  }

  std::atomic<uint32_t> live{0}; ///< the lkey; 0: none
  int allowed = 0;
  const Domain *owner = nullptr;
  uint64_t iova = 0, size = 0;
  char *memory = nullptr;
  ibv_mr mr{};
  uint8_t uses = 0;
  bool taken = false;
};

} // namespace stand_in
