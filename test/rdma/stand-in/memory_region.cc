#include "memory_region.h"
#include "address_space.h"
#include "faults.h"
#include "ledger.h"
#include <cerrno>
#include <mutex>

namespace stand_in {

MemoryRegion MemoryRegion::regions[regionsMax];
static std::mutex mutex;
static std::atomic<uint64_t> bytesMax{0};

ibv_mr *MemoryRegion::enrol(Domain *domain, void *address, size_t length, uint64_t iova, int access) {
  std::lock_guard<std::mutex> lock(mutex);
  // Slot after slot, so that a key is not given again soon.
  static uint32_t next = 0;
  for (uint32_t tried = 1; tried < regionsMax; tried++) {
    const uint32_t slot = next = next + 1 < regionsMax ? next + 1 : 1;
    MemoryRegion &region = regions[slot];
    if (region.taken) continue;
    region.taken = true;
    region.allowed = access;
    region.owner = domain->base;
    region.iova = iova;
    region.size = length;
    region.memory = static_cast<char *>(address);
    const uint32_t lkey = slot << 8 | region.uses++;
    region.mr = {domain->pd.context, &domain->pd, address, length, slot, lkey, lkey | remoteBit};
    region.live.store(lkey, std::memory_order_release);
    return &region.mr;
  }
  return errno = ENOMEM, nullptr;
}

void MemoryRegion::resign(ibv_mr *mr) {
  MemoryRegion &region = regions[mr->handle];
  region.live.store(0);
  Thread::waitForOthers();
  std::lock_guard<std::mutex> lock(mutex);
  region.taken = false;
}

static constexpr int supported =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
static constexpr int remoteChanges = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;

/// @returns what a kernel would say to this registration, or 0
static int refusal(void *address, size_t length, int access) {
  if (length == 0 || (access & ~(supported | IBV_ACCESS_OPTIONAL_RANGE)) != 0) return EINVAL;
  if ((access & remoteChanges) != 0 && (access & IBV_ACCESS_LOCAL_WRITE) == 0) return EINVAL;
  const uint64_t limit = bytesMax;
  if (limit != 0 && ledger.registeredBytes + length > limit) return ENOMEM;
  return isMapped(address, length, (access & IBV_ACCESS_LOCAL_WRITE) != 0) ? 0 : EFAULT;
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_mr *ibv_reg_mr_iova2(ibv_pd *pd, void *address, size_t length, uint64_t iova, unsigned access) {
  if (failsWithErrno(Verb::regMr)) return nullptr;
  if (const int error = refusal(address, length, access)) return errno = error, nullptr;
  ibv_mr *mr = MemoryRegion::enrol(Domain::of(pd), address, length, iova, access);
  if (!mr) return nullptr;
  Domain::of(pd)->users++;
  ledger.memoryRegions++;
  ledger.registeredBytes += length;
  return mr;
}

extern "C" ibv_mr *ibv_reg_mr(ibv_pd *pd, void *address, size_t length, int access) {
  return ibv_reg_mr_iova2(pd, address, length, reinterpret_cast<uintptr_t>(address), access);
}

extern "C" ibv_mr *ibv_reg_mr_iova(ibv_pd *pd, void *address, size_t length, uint64_t iova, int access) {
  return ibv_reg_mr_iova2(pd, address, length, iova, access);
}

extern "C" int ibv_dereg_mr(ibv_mr *mr) {
  Domain::of(mr->pd)->users--;
  ledger.memoryRegions--;
  ledger.registeredBytes -= mr->length;
  MemoryRegion::resign(mr);
  return 0;
}

extern "C" void stand_in_limit_registered_bytes(uint64_t bytes) { bytesMax = bytes; }
