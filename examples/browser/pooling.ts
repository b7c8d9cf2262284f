// A Web Worker that pools, driven through comlink.
import { expose } from 'comlink';
import { openComponent } from 'flexemr/component';
import { digestOf, dim, drawBags } from './bags.ts';

const { table: rows, keys, offsets } = drawBags();
const table = openComponent().table({ dtype: 'f32', dim, rows });

const pooling = {
  /** Digest of the bits that come of the bags. */
  digest(): number {
    return digestOf(table.pool({ keys, offsets }, { mode: 'mean' }).values);
  },
  /** Pools for so long. @returns rows pooled */
  spin(ms: number): number {
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
