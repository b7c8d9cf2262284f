// Releases that can follow the one that is served.
import { FlexemrError } from '../errors.ts';
import type { Release } from './cluster.ts';
import { type PlannedTableInput, planSharding, type ShardingInput } from './planner.ts';
import { checkRouting } from './routing-json.ts';
import type { PlannedShard, PlannedTable } from './routing-table.ts';

/**
 * The release with a new version of every table, on the same nodes. If a table has another number of rows, its shards keep their
 * shares of them.
 * @param tables what the new file lists @param source where the nodes find it
 * @throws INVALID_ROUTING if it has not the tables that are served
 */
export function nextVersion(
  { routing }: Release,
  tables: readonly PlannedTableInput[],
  version: number,
  source: string,
): Release {
  const found = new Map(tables.map((table) => [table.spec.name, table]));
  const next = routing.tables.map((table) => {
    const { name } = table.spec;
    const given = found.get(name);
    if (given === undefined) throw refused(source, name, 'is served, but the file does not list it');
    return versionOf(table, given, version, source);
  });
  return { tables: source, routing: checkRouting({ ...routing, tables: next }, source) };
}

/**
 * The release with the same tables, cut and placed anew. Row updates belong to shards, so a table that takes some keeps its cuts.
 * @throws INVALID_OPTION if it would be cut elsewhere, and as planSharding
 */
export function nextPlan({ routing, tables }: Release, how: Omit<ShardingInput, 'tables'>): Release {
  const uncut = routing.tables.map(({ shards: _, ...table }) => table);
  const next = planSharding({ ...how, tables: uncut }).routing;
  for (const [i, table] of routing.tables.entries())
    if (table.updates && cutsOf(table) !== cutsOf(next.tables[i])) throw cutElsewhere(table.spec.name);
  return { tables, routing: next };
}

function cutsOf({ shards }: PlannedTable): string {
  return shards.map(({ end }) => end).join();
}

function cutElsewhere(name: string): FlexemrError {
  const message = `table ${name} takes row updates, and this plan cuts it elsewhere, so its new shards would not have them. Use as many shards as now (the same number of nodes, or --split table), or swap to a new version of the tables that has the updates (flexemr snapshot)`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'split', value: name });
}

function versionOf(
  table: PlannedTable,
  { spec, indexed = false, content, contentWhole }: PlannedTableInput,
  version: number,
  source: string,
): PlannedTable {
  const { name, dim, rows } = table.spec;
  if (spec.dim !== dim) throw refused(source, name, `has dim ${spec.dim}, but the served one has dim ${dim}`);
  if (indexed !== table.indexed)
    throw refused(source, name, `is ${indexed ? '' : 'not '}indexed, unlike the served one`);
  const isServed = version === table.version && content === table.content;
  if (version < table.version || (version === table.version && !isServed)) {
    const problem = `is served in version ${table.version}, so version ${version} is not new: give a larger one`;
    throw refused(source, name, problem);
  }
  const shards = table.indexed || spec.rows === rows ? table.shards : scaled(table.shards, rows, spec.rows);
  return { ...table, spec: { ...table.spec, rows: spec.rows }, version, content, contentWhole, shards };
}

/** The same shares of another number of rows. A shard whose share is less than one row is left out. */
function scaled(shards: readonly PlannedShard[], from: number, to: number): PlannedShard[] {
  const at = (row: number): number => Math.round((row / from) * to);
  return shards
    .map((shard) => ({ ...shard, begin: at(shard.begin), end: at(shard.end) }))
    .filter(({ begin, end }) => end > begin);
}

function refused(source: string, table: string, problem: string): FlexemrError {
  const message = `${source}: table ${table} ${problem}`;
  return new FlexemrError('INVALID_ROUTING', message, { field: 'tables', value: table });
}
