#include "ledger.h"
#include "stand_in.h"

namespace stand_in {
Ledger ledger;
}

using stand_in::ledger;

extern "C" stand_in_ledger stand_in_live() {
  return {ledger.contexts,       ledger.protectionDomains,  ledger.threadDomains,    ledger.parentDomains,
          ledger.memoryRegions,  ledger.completionChannels, ledger.completionQueues, ledger.sharedReceiveQueues,
          ledger.queuePairs,     ledger.registeredBytes};
}

extern "C" uint64_t stand_in_overruns() { return ledger.overruns; }
