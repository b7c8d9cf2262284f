// Predicts what requests will cost under a plan, on average, if all keys are equally likely.
import * as v from 'valibot';
import { check, join, named, numberWhere, read } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { checkRouting } from './routing-json.ts';
import { holdersOf, type PlannedShard, type RoutingTable } from './routing-table.ts';
import { shardBytes, shareOf, type Uncut } from './shard-size.ts';

/** The load on a table. Both fields may be means, with a fraction. */
export interface TableLoad {
  /** Bags per request; default 1. */
  readonly bagsPerRequest?: number | undefined;
  /** Keys per bag; default 1. */
  readonly keysPerBag?: number | undefined;
}

const isMean = (value: number): boolean => Number.isFinite(value) && value >= 0;
const mean = v.optional(numberWhere(isMean, 'a number, 0 or more'));
const tableLoad = v.strictObject({ bagsPerRequest: mean, keysPerBag: mean });

/** Loads by table name; tables left out have the defaults. */
export type TableLoads = Readonly<Record<string, TableLoad>>;

export interface NodePrediction {
  readonly node: string;
  /** Number of tables with a shard on this node, and of shards on this node. Replicas count as shards. */
  readonly tables: number;
  readonly shards: number;
  /** Bytes of its rows and their indexes. */
  readonly bytes: number;
  /** Bytes of pooled replies per request, without headers. The holders of a shard share them, and its work, evenly. */
  readonly replyBytes: number;
  /** Bytes of rows read per request; this is what takes time in pooling. */
  readonly workBytes: number;
}

export interface Prediction {
  /** In the order of the routing table. */
  readonly nodes: readonly NodePrediction[];
  readonly replyBytes: number;
  readonly workBytes: number;
  /** Work of the busiest node, divided by the mean work of a node; 1 if there is no work. */
  readonly balance: number;
}

/** Mean bytes per request that one shard sends back, and mean bytes of rows that it reads. */
export function shardLoad(
  table: Uncut,
  shard: Pick<PlannedShard, 'begin' | 'end'>,
  { bagsPerRequest = 1, keysPerBag = 1 }: TableLoad = {},
): { readonly replyBytes: number; readonly workBytes: number } {
  const { dim, mode, dtype } = table.spec;
  const share = shareOf(table, shard);
  const keys = bagsPerRequest * keysPerBag * share;
  const vectors = mode === 'none' ? keys : bagsPerRequest * touched(share, keysPerBag);
  // Each vector comes with a u32 count of its rows.
  return { replyBytes: vectors * (dim * 4 + 4), workBytes: keys * rowBytes(dtype ?? 'f32', dim) };
}

/**
 * The probability that a bag gets a vector from a shard, because it has a key there. A shard with the whole table
 * answers every bag, even an empty one. A mean between two whole numbers is treated as a mix of bags of both sizes.
 */
function touched(share: number, keysPerBag: number): number {
  if (share === 1) return 1;
  const few = Math.floor(keysPerBag);
  const missed = (1 - share) ** few;
  return 1 - missed + (keysPerBag - few) * missed * share;
}

/**
 * What requests will cost under a routing table.
 * @throws INVALID_ROUTING; INVALID_OPTION if a load is not valid, or is for a table that does not exist
 */
export function predict(routing: RoutingTable, loads: TableLoads = {}): Prediction {
  const checked = checkRouting(routing);
  checkLoads(loads, checked.tables);
  return predictionOf(checked, loads);
}

/** Does the same as `predict`, for arguments that were already checked. */
export function predictionOf({ nodes, tables }: RoutingTable, loads: TableLoads): Prediction {
  const found = new Map(nodes.map(({ id }) => [id, emptyNode(id)]));
  // The shards of a checked routing table are always on its nodes.
  const at = (node: string): Sums => found.get(node) ?? emptyNode(node);
  for (const table of tables) {
    const load = loadOf(loads, table.spec.name);
    for (const id of new Set(table.shards.flatMap(holdersOf))) at(id).tables++;
    for (const shard of table.shards) {
      const { replyBytes, workBytes } = shardLoad(table, shard, load);
      const holders = holdersOf(shard);
      for (const id of holders) {
        const own = at(id);
        own.shards++;
        own.bytes += shardBytes(table, shard);
        own.replyBytes += replyBytes / holders.length;
        own.workBytes += workBytes / holders.length;
      }
    }
  }
  const all = [...found.values()];
  const replyBytes = all.reduce((sum, node) => sum + node.replyBytes, 0);
  const workBytes = all.reduce((sum, node) => sum + node.workBytes, 0);
  const most = Math.max(...all.map((node) => node.workBytes));
  return { nodes: all, replyBytes, workBytes, balance: workBytes > 0 ? (most * all.length) / workBytes : 1 };
}

type Sums = { -readonly [Field in keyof NodePrediction]: NodePrediction[Field] };

function emptyNode(node: string): Sums {
  return { node, tables: 0, shards: 0, bytes: 0, replyBytes: 0, workBytes: 0 };
}

/** The load of a table. Its name may be any string, "constructor" too. */
export function loadOf(loads: TableLoads, name: string): TableLoad {
  return Object.hasOwn(loads, name) ? loads[name] : {};
}

/** @throws INVALID_OPTION */
export function checkLoads(loads: TableLoads, tables: readonly Uncut[]): void {
  check(named, loads, 'loads');
  const names = new Set(tables.map(({ spec }) => spec.name));
  for (const [name, load] of Object.entries(loads)) {
    if (!names.has(name))
      throw badLoad(name, name, 'there is no table with this name; use the name of a planned table');
    read(tableLoad, load, ({ path, value, problem }) => badLoad(join(name, path), value, problem));
  }
}

function badLoad(field: string, value: unknown, problem: string): FlexemrError {
  return new FlexemrError('INVALID_OPTION', `loads.${field}: ${problem}`, { field: `loads.${field}`, value });
}
