import type { CheckedBags } from '../plan/checked-bags.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Segment } from './segment.ts';

/** One feature of a lookup: its bags, and the segments that are sent to nodes. */
export interface Feature {
  readonly name: string;
  readonly table: RoutedTable;
  readonly bags: CheckedBags;
  /** In shard order. */
  readonly segments: readonly Segment[];
  /** Positions of padding keys, which are not sent to any node. */
  readonly padded: Uint32Array;
}

/** Number of results of a feature: one per bag, or one per key in mode `none`. */
export function resultsOf({ table, bags }: Feature): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}
