import type { CheckedBags } from '../plan/checked-bags.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Segment } from './segment.ts';

/** One feature of a lookup: its bags, and the segments they were cut into, in shard order. */
export interface Feature {
  readonly name: string;
  readonly table: RoutedTable;
  readonly bags: CheckedBags;
  readonly segments: readonly Segment[];
}

/** Results of a feature: one a bag, or for mode `none` one a key. */
export function resultsOf({ table, bags }: Feature): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}
