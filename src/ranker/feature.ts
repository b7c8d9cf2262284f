import type { CheckedBags } from '../plan/checked-bags.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Segment } from './segment.ts';

/** One feature of a lookup: its bags, and what nodes are asked of them. */
export interface Feature {
  readonly name: string;
  readonly table: RoutedTable;
  readonly bags: CheckedBags;
  /** In shard order. */
  readonly segments: readonly Segment[];
  /** Positions of padding keys that no node is asked for. */
  readonly padded: Uint32Array;
}

/** Results of a feature: one a bag, or for mode `none` one a key. */
export function resultsOf({ table, bags }: Feature): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}
