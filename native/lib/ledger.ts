import { addon } from './addon.ts';

/** How many native objects of each kind are alive in this process, over all of its threads. */
export interface Ledger {
  readonly contexts: number;
  readonly protectionDomains: number;
  readonly parentDomains: number;
  readonly memoryRegions: number;
  readonly completionQueues: number;
  readonly channels: number;
  readonly sharedReceiveQueues: number;
  readonly queuePairs: number;
}

/** For leak tests: all zeros when everything is closed. @throws IbverbsError ADDON_MISSING */
export function ledger(): Ledger {
  return addon().ledger();
}
