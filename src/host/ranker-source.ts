import type { Ranker } from '../ranker/ranker.ts';
import type { VectorSource } from '../scorer/batch-run.ts';

/** The ranker that is the source of a scorer. Undefined if its source has no memory nodes. */
export function rankerOf(source: VectorSource): Ranker | undefined {
  return 'checkNodes' in source ? (source as Ranker) : undefined;
}
