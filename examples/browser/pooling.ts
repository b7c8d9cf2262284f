// A Web Worker that pools, driven through comlink.
import { expose } from 'comlink';
import { digestOf, dim, drawBags } from './bags.ts';

const { table: rows, keys, offsets } = drawBags();
// Loaded later than this: what is asked before a worker listens is lost.
const opened = import('flexemr/component').then(({ openComponent }) =>
  openComponent().table({ dtype: 'f32', dim, rows }),
);

const pooling = {
  /** Digest of the bits that come of the bags. */
  async digest(): Promise<number> {
    return digestOf((await opened).pool({ keys, offsets }, { mode: 'mean' }).values);
  },
  /** Pools for so long. @returns rows pooled */
  async spin(ms: number): Promise<number> {
    const table = await opened;
    const until = performance.now() + ms;
    let pooled = 0;
    while (performance.now() < until) {
      table.pool({ keys, offsets }, { mode: 'mean' });
      pooled += keys.length;
    }
    return pooled;
  },
};

export type Pooling = typeof pooling;
expose(pooling);
