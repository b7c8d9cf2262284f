import * as v from 'valibot';
import { given, integer, type Optional, oneOf, type Schema } from '../check.ts';
import { nodesMax } from '../limits.ts';
import {
  type PlannedTableInput,
  planSharding,
  type ShardingPlan,
  type Split,
  splits,
} from '../plan/planner.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import { contentOf, wholeContentOf } from '../store/content.ts';
import { planTables } from '../store/load.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';

/** Memory nodes to be started together. */
export interface ClusterOptions {
  /** The tables, safetensors. */
  readonly tables: TableSource;
  /** How many memory nodes, named node0, node1 … */
  readonly nodes: number;
  /** Default `auto`. */
  readonly split?: Split | undefined;
  /** Keep every table as; default: as the file says, else f32. */
  readonly dtype?: RowDtype | undefined;
}

/** What ClusterOptions may be. @internal */
export const clusterFields: {
  readonly tables: Schema<TableSource>;
  readonly nodes: Schema<number>;
  readonly split: Optional<Split>;
  readonly dtype: Optional<RowDtype>;
} = {
  tables: given<TableSource>('the path of a file, or { file, list }'),
  nodes: integer(1, nodesMax),
  split: v.optional(oneOf(splits)),
  dtype: v.optional(given<RowDtype>('a row dtype')),
};

/**
 * Shares the tables of a file out among nodes that are still to be started.
 * @param options that were checked @throws as planSharding, INVALID_FILE
 */
export async function planCluster(options: ClusterOptions): Promise<ShardingPlan> {
  const { tables, nodes: count, split = 'auto', dtype } = options;
  const nodes = nodesNamed(count);
  return planSharding({ tables: await plannedTables(tables, dtype), nodes, split });
}

export function nodesNamed(count: number): { readonly id: string }[] {
  return Array.from({ length: count }, (_, i) => ({ id: `node${i}` }));
}

/**
 * What a file's tables are, to be planned. Reads a sample of the rows, to know them again.
 * @param verify read all of them @throws INVALID_FILE, INVALID_TABLE
 */
export async function plannedTables(
  source: TableSource,
  dtype: RowDtype | undefined,
  verify = false,
): Promise<PlannedTableInput[]> {
  await using file = await openTableFile(source);
  const tables: PlannedTableInput[] = [];
  for (const table of planTables(file, { dtype })) {
    const { spec, stored } = table;
    const content = await contentOf(file, table);
    const contentWhole = verify ? await wholeContentOf(file, table) : undefined;
    tables.push({ spec, indexed: stored.ids !== undefined, content, contentWhole });
  }
  return tables;
}
