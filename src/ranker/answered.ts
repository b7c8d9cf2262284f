import type { CheckedBags } from '../plan/checked-bags.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Segment } from './segment.ts';
import type { Subrequest } from './subrequest.ts';

/** A segment, and which of which subrequest's it is. */
export interface Answered {
  readonly segment: Segment;
  readonly subrequest: Subrequest;
  /** Position among the subrequest's segments. */
  readonly position: number;
}

/** A feature as the lookup asked for it. */
export interface AskedFeature {
  readonly name: string;
  readonly table: RoutedTable;
  readonly bags: CheckedBags;
}

/** Results of a feature: one a bag, or for mode `none` one a key. */
export function resultsOf({ table, bags }: AskedFeature): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}
