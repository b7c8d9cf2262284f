import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { RankerStats } from '../ranker/ranker.ts';
import type { VectorOptions } from '../scorer/batch-run.ts';

/** A source of lookups for a command: tables in this process, or memory nodes. `Tables` and `Ranker` implement it. */
export interface LookupSource {
  /** In the same order as the tables in files of requests. */
  readonly specs: readonly TableSpec[];
  lookup(bags: KeyedBags, options?: VectorOptions): Promise<Lookup>;
  /** Statistics of memory nodes. Undefined if the tables are in this process. */
  readonly stats?: RankerStats;
}

/** A source that must be closed when the command ends. */
export type OpenSource = LookupSource & AsyncDisposable;
