import * as v from 'valibot';
import { checkFields, given, integer, numberWhere, oneOf, options, type Schema } from '../check.ts';
import { headroomMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { replicasMax } from '../replica-limits.ts';
import type { ArrangementProblem, TableCosts } from './arrangement.ts';
import { exhaustiveSearch } from './exhaustive-search.ts';
import { localSearch } from './local-search.ts';
import { rowWise, tableWise } from './placement.ts';
import {
  checkLoads,
  loadOf,
  type Prediction,
  predictionOf,
  shardLoad,
  type TableLoad,
  type TableLoads,
} from './prediction.ts';
import { type ReplicaNodes, replicaSets } from './replica-ring.ts';
import { checkRouting } from './routing-json.ts';
import { holdersOf, type PlannedNode, type PlannedTable, type RoutingTable } from './routing-table.ts';
import { shardBytes, type Uncut } from './shard-size.ts';
import { checkTableSpec, type TableSpec } from './table-spec.ts';

/** `table`: each table is whole on one replica set. `row`: each table is cut over all replica sets. `auto`: whichever costs less. */
export const splits = ['table', 'row', 'auto'] as const;
export type Split = (typeof splits)[number];

/** A table to be planned. */
export interface PlannedTableInput {
  readonly spec: TableSpec;
  /** Keys are u64 ids; default false. */
  readonly indexed?: boolean | undefined;
  /** Default 1. */
  readonly version?: number | undefined;
  /** Digests of its rows (see PlannedTable). */
  readonly content?: string | undefined;
  readonly contentWhole?: string | undefined;
  /** Its rows change while nodes serve them. */
  readonly updates?: true | undefined;
}

export interface ShardingInput {
  readonly tables: readonly PlannedTableInput[];
  /** No node gets more than its `bytes`; a node without `bytes` has no limit. */
  readonly nodes: readonly PlannedNode[];
  readonly split: Split;
  /** Nodes that hold each shard, in different zones if nodes name zones; default 1. */
  readonly replicas?: number | undefined;
  /** Room that each node keeps for the rows of another release, as a share of those that it gets; default 0. */
  readonly headroom?: number | undefined;
  /** By table name. */
  readonly loads?: TableLoads | undefined;
}

/** @internal */
export const replicaCount: Schema<number> = integer(1, replicasMax);

/** @internal */
export const headroomShare: Schema<number> = numberWhere(
  (share) => share >= 0 && share <= headroomMax,
  `from 0 to ${headroomMax}`,
);

/** Specs, nodes and loads are checked separately. */
const shardingInput: Schema<ShardingInput> = options({
  tables: v.array(
    options({
      spec: given<TableSpec>('a table spec'),
      indexed: v.optional(v.boolean()),
      version: v.optional(given<number>('a version')),
      content: v.optional(v.string()),
      contentWhole: v.optional(v.string()),
      updates: v.optional(v.literal(true)),
    }),
  ),
  nodes: v.array(given<PlannedNode>('a node')),
  split: oneOf(splits),
  replicas: v.optional(replicaCount),
  headroom: v.optional(headroomShare),
  loads: v.optional(given<TableLoads>('loads by table name')),
});

/** Where every row is placed, and what requests will cost. */
export interface ShardingPlan {
  readonly routing: RoutingTable;
  readonly predicted: Prediction;
}

/**
 * Distributes tables over memory nodes. `auto` minimises reply bytes × max(1, balance / 1.2): it keeps bags whole
 * until one node does 1.2 times the mean work. The same input gives the same plan.
 * @throws INVALID_TABLE; INVALID_OPTION, also if there are too few nodes or zones for the replicas; INVALID_ROUTING if nodes are not valid; OUT_OF_MEMORY if tables do not fit
 */
export function planSharding(input: ShardingInput): ShardingPlan {
  const checked = checkFields(shardingInput, input);
  const { tables: inputs, nodes, split, replicas = 1, headroom = 0, loads = {} } = checked;
  const tables = inputs.map(({ spec, indexed = false, version = 1, content, contentWhole, updates }, i) => {
    return {
      spec: checkTableSpec(spec, `tables[${i}].spec`),
      indexed,
      version,
      content,
      contentWhole,
      ...(updates && { updates }),
      shards: [],
    };
  });
  checkRouting({ nodes, tables: [] }, 'nodes');
  checkLoads(loads, tables);
  const sets = replicaSets(nodes, replicas);
  const room = nodes.map(({ bytes = Number.POSITIVE_INFINITY }) => Math.floor(bytes / (1 + headroom)));
  const choices = choose(tables, { nodes, room, sets }, split, loads);
  const first = sets.map(([id]) => id);
  const others = new Map(sets.map(([id, ...more]) => [id, more]));
  const planned = tables.map((table, i) => {
    const choice = choices[i];
    const shards = choice < sets.length ? tableWise(table, first[choice]) : rowWise(table, first);
    const placed = shards.map((shard) => ({ ...shard, replicas: others.get(shard.node) }));
    return { ...table, shards: replicas === 1 ? shards : placed };
  });
  const routing = checkRouting({ nodes, tables: planned }, 'plan');
  const predicted = predictionOf(routing, loads);
  checkCapacity(routing, predicted, room);
  return { routing, predicted };
}

/** Where tables can be. */
interface Places {
  readonly nodes: readonly PlannedNode[];
  /** Bytes of rows that each node may get. */
  readonly room: readonly number[];
  readonly sets: readonly ReplicaNodes[];
}

/** For each table the index of its replica set, or the count of sets if it is cut over all of them. */
function choose(
  tables: readonly PlannedTable[],
  { nodes, room, sets: replicaSets }: Places,
  split: Split,
  loads: TableLoads,
): ArrayLike<number> {
  if (split === 'row') return tables.map(() => replicaSets.length);
  const numbers = new Map(nodes.map(({ id }, i) => [id, i]));
  const sets = replicaSets.map((set) => set.map((id) => numbers.get(id) ?? 0));
  const problem: ArrangementProblem = {
    sets,
    tables: tables.map((table) => costsOf(table, nodes.length, sets, loadOf(loads, table.spec.name))),
    capacities: Float64Array.from(room),
    cuttable: split === 'auto',
  };
  const found = localSearch(problem);
  return (exhaustiveSearch(found) ?? found).choices;
}

/** What a table costs each node. The nodes of a set share its work evenly. */
function costsOf(
  table: Uncut,
  nodes: number,
  sets: readonly (readonly number[])[],
  load: TableLoad,
): TableCosts {
  const whole = { replyBytes: 0, workBytes: 0, bytes: 0 };
  const replicas = sets[0].length;
  const names = sets.map((_, set) => String(set));
  for (const shard of tableWise(table, names[0])) {
    const { replyBytes, workBytes } = shardLoad(table, shard, load);
    whole.replyBytes += replyBytes;
    whole.workBytes += workBytes / replicas;
    whole.bytes += shardBytes(table, shard);
  }
  const cut = { replyBytes: 0, workBytes: new Float64Array(nodes), bytes: new Float64Array(nodes) };
  for (const shard of rowWise(table, names)) {
    const { replyBytes, workBytes } = shardLoad(table, shard, load);
    cut.replyBytes += replyBytes;
    for (const node of sets[Number(shard.node)]) {
      cut.workBytes[node] += workBytes / replicas;
      cut.bytes[node] += shardBytes(table, shard);
    }
  }
  return { whole, cut };
}

/** @param room bytes of rows that each node may get @throws OUT_OF_MEMORY */
function checkCapacity(
  { nodes, tables }: RoutingTable,
  { nodes: predicted }: Prediction,
  room: readonly number[],
): void {
  const all = room.reduce((sum, bytes) => sum + bytes, 0);
  const needed = predicted.reduce((sum, { bytes }) => sum + bytes, 0);
  if (needed > all) {
    const problem = `the tables need ${needed} bytes; the ${nodes.length} nodes have ${all} for them: ${needed - all} too few`;
    throw outOfMemory('nodes', undefined, needed - all, problem);
  }
  for (const [i, { id }] of nodes.entries()) {
    const over = predicted[i].bytes - room[i];
    if (over <= 0) continue;
    const [name, most] = largestOn(tables, id);
    const problem = `the tables do not fit: the best placement found puts ${predicted[i].bytes} bytes on node ${id}, which has ${room[i]} for them: ${over} too few; the largest part there is table ${name} with ${most} bytes`;
    throw outOfMemory('nodes', i, over, problem);
  }
}

function largestOn(tables: readonly PlannedTable[], node: string): [name: string, bytes: number] {
  const sizes = tables.map((table): [string, number] => {
    const own = table.shards.filter((shard) => holdersOf(shard).includes(node));
    return [table.spec.name, own.reduce((sum, shard) => sum + shardBytes(table, shard), 0)];
  });
  return sizes.reduce((most, size) => (size[1] > most[1] ? size : most));
}

function outOfMemory(
  field: string,
  position: number | undefined,
  value: number,
  problem: string,
): FlexemrError {
  const message = `${problem}. Add nodes or memory, split by row, or store rows in a smaller dtype`;
  return new FlexemrError('OUT_OF_MEMORY', message, { field, position, value });
}
