#include "ledger.h"

namespace ledger {

const char* const names[KINDS] = {
    "contexts",         "protectionDomains", "parentDomains",       "memoryRegions",
    "completionQueues", "channels",          "sharedReceiveQueues", "queuePairs",
};

namespace {
std::atomic<int> counts[KINDS];
}

int live(Kind kind) { return counts[static_cast<size_t>(kind)].load(); }

void created(Kind kind) { counts[static_cast<size_t>(kind)]++; }

void destroyed(Kind kind, int result) {
  if (result == 0) counts[static_cast<size_t>(kind)]--;
}

}  // namespace ledger
