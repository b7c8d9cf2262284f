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
import { openTableFile, type TableSource, tableSourceText } from '../store/table-file.ts';

/** Options of memory nodes that start together. */
export interface ClusterOptions {
  /** The safetensors file of the tables. */
  readonly tables: TableSource;
  /** The number of memory nodes. Their names are node0, node1 … */
  readonly nodes: number;
  /** Default `auto`. */
  readonly split?: Split | undefined;
  /** The dtype in which every table is kept. Default: the dtype that the file lists, or f32. */
  readonly dtype?: RowDtype | undefined;
}

/** Schemas of `ClusterOptions`. @internal */
export const clusterFields: {
  readonly tables: Schema<TableSource>;
  readonly nodes: Schema<number>;
  readonly split: Optional<Split>;
  readonly dtype: Optional<RowDtype>;
} = {
  tables: given<TableSource>(tableSourceText),
  nodes: integer(1, nodesMax),
  split: v.optional(oneOf(splits)),
  dtype: v.optional(given<RowDtype>('a row dtype')),
};

/**
 * Divides the tables of a file among nodes that have not started yet.
 * @param options already checked @throws as planSharding, INVALID_FILE
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
 * Describes the tables of a file for planning, with digests by which nodes recognise the rows: of a sample, or of what
 * a server says about its files. @param verify makes a digest of all rows too @throws INVALID_FILE, INVALID_TABLE
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
