import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { RankerStats } from '../ranker/ranker.ts';

/** Where a command looks up: tables in this process, or memory nodes. `Tables` and `Ranker` both are one. */
export interface LookupSource {
  /** In the order of the tables in files of requests. */
  readonly specs: readonly TableSpec[];
  lookup(bags: KeyedBags): Promise<Lookup>;
  /** What memory nodes were asked, where there are any. */
  readonly stats?: RankerStats;
}

/** One that is to be closed when the command ends. */
export type OpenSource = LookupSource & AsyncDisposable;
