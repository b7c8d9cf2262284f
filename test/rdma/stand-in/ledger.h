#pragma once
#include <atomic>
#include <cstdint>

namespace stand_in {

/// Objects alive. One count a kind, by the names of stand_in_ledger.
struct Ledger {
  std::atomic<int64_t> contexts{0}, protectionDomains{0}, threadDomains{0}, parentDomains{0}, memoryRegions{0},
      completionChannels{0}, completionQueues{0}, sharedReceiveQueues{0}, queuePairs{0}, registeredBytes{0};
  std::atomic<uint64_t> overruns{0};
};
extern Ledger ledger;

} // namespace stand_in
