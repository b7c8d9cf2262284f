// What requests will cost under a plan, on average, where every key is as likely as another.
import * as v from 'valibot';
import { check, join, named, numberWhere, read } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { checkRouting } from './routing-json.ts';
import type { PlannedShard, RoutingTable } from './routing-table.ts';
import { shardBytes, shareOf, type Uncut } from './shard-size.ts';

/** How a table is asked. Both may be means, with a fraction. */
export interface TableLoad {
  /** Bags of a request; default 1. */
  readonly bagsPerRequest?: number | undefined;
  /** Keys of a bag; default 1. */
  readonly keysPerBag?: number | undefined;
}

const isMean = (value: number): boolean => Number.isFinite(value) && value >= 0;
const mean = v.optional(numberWhere(isMean, 'a number, 0 or more'));
const tableLoad = v.strictObject({ bagsPerRequest: mean, keysPerBag: mean });

/** Loads by table name; tables left out have the defaults. */
export type TableLoads = Readonly<Record<string, TableLoad>>;

export interface NodePrediction {
  readonly node: string;
  /** Tables with a shard here, and their shards. */
  readonly tables: number;
  readonly shards: number;
  /** Rows kept, with their indexes. */
  readonly bytes: number;
  /** Bytes of a request's pooled replies, without headers. */
  readonly replyBytes: number;
  /** Bytes of rows read for a request: what pooling takes its time for. */
  readonly workBytes: number;
}

export interface Prediction {
  /** In the order of the routing table. */
  readonly nodes: readonly NodePrediction[];
  readonly replyBytes: number;
  readonly workBytes: number;
  /** Work of the busiest node over that of the mean one; 1 where there is no work. */
  readonly balance: number;
}

/** Bytes that a request brings back from one shard, and makes it read, on average. */
export function shardLoad(
  table: Uncut,
  shard: Pick<PlannedShard, 'begin' | 'end'>,
  { bagsPerRequest = 1, keysPerBag = 1 }: TableLoad = {},
): { readonly replyBytes: number; readonly workBytes: number } {
  const { dim, mode, dtype } = table.spec;
  const share = shareOf(table, shard);
  const keys = bagsPerRequest * keysPerBag * share;
  const vectors = mode === 'none' ? keys : bagsPerRequest * touched(share, keysPerBag);
  // A vector comes with the number of rows in it.
  return { replyBytes: vectors * (dim * 4 + 4), workBytes: keys * rowBytes(dtype ?? 'f32', dim) };
}

/**
 * How likely a bag brings back a vector of a shard: that it has a key there, but a whole table answers empty bags too.
 * A mean between two whole numbers is taken as bags of the one and the other.
 */
function touched(share: number, keysPerBag: number): number {
  if (share === 1) return 1;
  const few = Math.floor(keysPerBag);
  const missed = (1 - share) ** few;
  return 1 - missed + (keysPerBag - few) * missed * share;
}

/**
 * What requests will cost under a routing table.
 * @throws INVALID_ROUTING; INVALID_OPTION for loads of no table, or that are no loads
 */
export function predict(routing: RoutingTable, loads: TableLoads = {}): Prediction {
  const checked = checkRouting(routing);
  checkLoads(loads, checked.tables);
  return predictionOf(checked, loads);
}

/** The same, of what was checked already. */
export function predictionOf({ nodes, tables }: RoutingTable, loads: TableLoads): Prediction {
  const found = new Map(nodes.map(({ id }) => [id, emptyNode(id)]));
  // A checked table's shards are on its nodes.
  const at = (node: string): Sums => found.get(node) ?? emptyNode(node);
  for (const table of tables) {
    const load = loadOf(loads, table.spec.name);
    for (const id of new Set(table.shards.map(({ node }) => node))) at(id).tables++;
    for (const shard of table.shards) {
      const own = at(shard.node);
      const { replyBytes, workBytes } = shardLoad(table, shard, load);
      own.shards++;
      own.bytes += shardBytes(table, shard);
      own.replyBytes += replyBytes;
      own.workBytes += workBytes;
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
      throw badLoad(name, name, 'there is no table of this name; name one that is planned');
    read(tableLoad, load, ({ path, value, problem }) => badLoad(join(name, path), value, problem));
  }
}

function badLoad(field: string, value: unknown, problem: string): FlexemrError {
  return new FlexemrError('INVALID_OPTION', `loads.${field}: ${problem}`, { field: `loads.${field}`, value });
}
