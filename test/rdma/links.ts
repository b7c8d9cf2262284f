// Whether lookups go by RDMA.
import { ledger } from 'ibverbs-node';
import { expect } from 'vitest';
import type { KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';

/** Waits until a ranker has connected: queue pairs there are then two of each connection, where both ends are here. */
export async function connected(ranker: Ranker, bags: KeyedBags): Promise<void> {
  await expect
    .poll(async () => {
      await ranker.lookup(bags, { deadline: 60_000 });
      return ledger().queuePairs;
    })
    .toBeGreaterThan(0);
}
