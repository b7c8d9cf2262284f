// Checks how the parts of a routing table relate to each other. Single fields are checked where they are read.
import { FlexemrError } from '../errors.ts';
import { nodesMax, shardsMax, tablesMax } from '../limits.ts';
import type { PlannedTable, RoutingTable } from './routing-table.ts';
import { keysEnd, shardSpanMax } from './shard-size.ts';

/** Checks nodes against each other, and shards against nodes and tables. @throws INVALID_ROUTING */
export function checkParts({ nodes, tables }: RoutingTable, source: string): void {
  checkCount(source, 'nodes', nodes.length, nodesMax);
  checkCount(source, 'tables', tables.length, tablesMax);
  const shards = tables.reduce((sum, table) => sum + table.shards.length, 0);
  checkCount(source, 'shards', shards, shardsMax);
  const ids = new Set<string>();
  for (const [i, { id }] of nodes.entries()) {
    if (ids.has(id)) throw invalid(source, 'nodes', i, id, `is a second node with the id "${id}"`);
    ids.add(id);
  }
  const names = new Set<string>();
  for (const [i, table] of tables.entries()) {
    const { name } = table.spec;
    if (names.has(name)) throw invalid(source, 'tables', i, name, `is a second table named "${name}"`);
    names.add(name);
    checkShards(source, `tables[${i}].shards`, table, ids);
  }
}

function checkCount(source: string, field: string, count: number, most: number): void {
  if (count <= most) return;
  throw invalidRouting(source, field, count, `${field}: there are ${count}, but at most ${most} are allowed`);
}

function checkShards(source: string, field: string, table: PlannedTable, nodes: ReadonlySet<string>): void {
  const { shards, spec } = table;
  const [last, most] = [keysEnd(table), shardSpanMax(table)];
  const unit = table.indexed ? 'hashes' : 'rows';
  let next = 0;
  for (const [i, { node, replicas, begin, end }] of shards.entries()) {
    if (!nodes.has(node))
      throw invalid(source, field, i, node, `is on "${node}", which is not one of the nodes`);
    if (replicas !== undefined) checkReplicas(source, field, i, node, replicas, nodes);
    if (begin !== next)
      throw invalid(
        source,
        field,
        i,
        begin,
        `begins at ${begin}, but must begin at ${next} (table ${spec.name})`,
      );
    if (end <= begin) throw invalid(source, field, i, end, `ends at ${end}, but begins at ${begin}`);
    if (end > last)
      throw invalid(source, field, i, end, `ends at ${end}, but table ${spec.name} has ${last} ${unit}`);
    if (end - begin > most)
      throw invalid(
        source,
        field,
        i,
        end - begin,
        `has ${end - begin} ${unit}, but only ${most} fit in an arena`,
      );
    next = end;
  }
  if (next === last) return;
  const problem = `${field}: the shards end at ${next}, but table ${spec.name} has ${last} ${unit}`;
  throw invalidRouting(source, field, next, problem);
}

/** All holders of a shard are different nodes. */
function checkReplicas(
  source: string,
  field: string,
  shard: number,
  node: string,
  replicas: readonly string[],
  nodes: ReadonlySet<string>,
): void {
  const holders = new Set([node]);
  for (const replica of replicas) {
    if (!nodes.has(replica))
      throw invalid(
        source,
        field,
        shard,
        replica,
        `has a replica on "${replica}", which is not one of the nodes`,
      );
    if (holders.has(replica))
      throw invalid(
        source,
        field,
        shard,
        replica,
        `is on "${replica}" twice; replicas are on different nodes`,
      );
    holders.add(replica);
  }
}

function invalid(
  source: string,
  field: string,
  position: number,
  value: unknown,
  problem: string,
): FlexemrError {
  return invalidRouting(source, field, value, `${field}[${position}] ${problem}`, { position });
}

/** The error for a routing table that cannot be used. `source` is the file or address that it came from. */
export function invalidRouting(
  source: string,
  field: string,
  value: unknown,
  problem: string,
  more: { readonly position?: number | undefined; readonly cause?: unknown } = {},
): FlexemrError {
  const message = `${source}: ${problem}. Correct it, or create a new plan (flexemr plan)`;
  return new FlexemrError('INVALID_ROUTING', message, { field, value, ...more });
}
