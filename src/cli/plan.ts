import { InvalidArgumentError } from 'commander';
import { FlexemrError } from '../errors.ts';
import { openClusterSource } from '../host/cluster-source.ts';
import { writeRouting } from '../host/file-routing.ts';
import { nodesNamed, plannedTables } from '../host/plan-cluster.ts';
import { type PublishedCluster, publishCluster } from '../host/publish-cluster.ts';
import { nodesMax } from '../limits.ts';
import { parseNatsAddress } from '../nats/address.ts';
import { type PlannedTableInput, planSharding, type ShardingPlan, type Split } from '../plan/planner.ts';
import type { Prediction, TableLoads } from '../plan/prediction.ts';
import { routingJson } from '../plan/routing-json.ts';
import { holdersOf, type PlannedNode, type RoutingTable } from '../plan/routing-table.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import { replicasMax } from '../replica-limits.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { columns, mib } from './columns.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { openRequests } from './requests.ts';
import { type TableOptions, tableSource } from './table-source.ts';

export interface PlanOptions extends TableOptions, NatsOptions {
  /** The number of nodes, which are named node0, node1 … `node` gives the nodes themselves instead. */
  readonly nodes?: number | undefined;
  readonly node?: readonly PlannedNode[] | undefined;
  readonly split: Split;
  /** Nodes that hold each shard. */
  readonly replicas?: number | undefined;
  /** Room that each node keeps for another release, as a share of what it gets. */
  readonly headroom?: number | undefined;
  /** File of requests for measuring the keys per bag. Default: 1 key per bag. */
  readonly requests?: string | undefined;
  readonly dtype?: RowDtype | undefined;
  /** Memory in bytes of each node for which none is given. */
  readonly capacity?: number | undefined;
  readonly out?: string | undefined;
  /** nats://HOST:PORT/BUCKET, where the plan becomes that of a new cluster. */
  readonly publish?: string | undefined;
  /** A cluster that is there already, and serves another plan, stays as it is. */
  readonly ifAbsent?: boolean | undefined;
  /** Tables whose rows change while they are served, by name; true: all. */
  readonly updates?: readonly string[] | true | undefined;
  /** Reads every row, so that nodes can compare all of their rows with the plan. */
  readonly verify?: boolean | undefined;
}

/** Where a plan was published. */
export interface Published extends PublishedCluster {
  readonly to: string;
}

export interface MadePlan extends ShardingPlan {
  readonly published?: Published | undefined;
}

/** `flexemr plan`: divides the tables of a file among nodes, and predicts the cost of requests. */
export async function plan(options: PlanOptions): Promise<MadePlan> {
  const found = await plannedTables(await tableSource(options), options.dtype, options.verify);
  const tables = withUpdates(found, options.updates ?? []);
  const nodes = options.node ?? nodesNamed(options.nodes ?? 0);
  const planned = planSharding({
    tables,
    nodes: nodes.map((node: PlannedNode) => ({ ...node, bytes: node.bytes ?? options.capacity })),
    split: options.split,
    replicas: options.replicas,
    headroom: options.headroom,
    loads: options.requests === undefined ? {} : await measuredLoads(options.requests, tables),
  });
  if (options.out !== undefined) await writeRouting(options.out, planned.routing);
  if (options.publish === undefined) return planned;
  return { ...planned, published: await publish(options, options.publish, planned.routing) };
}

/** @throws UNKNOWN_TABLE */
function withUpdates(
  tables: readonly PlannedTableInput[],
  updated: readonly string[] | true,
): PlannedTableInput[] {
  const names = tables.map(({ spec }) => spec.name);
  const unknown = updated === true ? undefined : updated.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const message = `--updates: there is no table ${unknown}; the tables are ${names.join(', ')}`;
    throw new FlexemrError('UNKNOWN_TABLE', message, { field: 'updates', value: unknown });
  }
  return tables.map((table) => {
    const takes = updated === true || updated.includes(table.spec.name);
    return takes ? { ...table, updates: true } : table;
  });
}

async function publish(options: PlanOptions, where: string, routing: RoutingTable): Promise<Published> {
  const store = await openClusterSource(where, await readNats(options));
  try {
    const serving = { routing, tables: options.tables };
    const published = await publishCluster(store, serving, options.ifAbsent ?? false);
    return { to: parseNatsAddress(where).shown, ...published };
  } finally {
    await store.close();
  }
}

/** Measures the mean number of keys per bag of each table in a file of requests. */
async function measuredLoads(path: string, tables: readonly PlannedTableInput[]): Promise<TableLoads> {
  await using file = await SafetensorsFile.open(path);
  const bags = await openRequests(file, tables.length);
  return Object.fromEntries(
    tables.map(({ spec }, i) => [spec.name, { keysPerBag: bags[i].keys() / Math.max(1, bags[i].requests) }]),
  );
}

/** The plan as a table for people. */
export function planText({ routing, predicted, published }: MadePlan): string {
  const { nodes, replyBytes, workBytes, balance } = predicted;
  const replicas = Math.max(
    1,
    ...routing.tables.flatMap(({ shards }) => shards.map((shard) => holdersOf(shard).length)),
  );
  const head = ['node', 'tables', 'shards', 'MiB', 'reply bytes', 'work'];
  const lines = nodes.map(({ node, tables, shards, bytes, replyBytes, workBytes: own }) =>
    [node, tables, shards, mib(bytes), replyBytes.toFixed(1), percent(own, workBytes)].map(String),
  );
  const shards = nodes.reduce((sum, node) => sum + node.shards, 0);
  const bytes = nodes.reduce((sum, node) => sum + node.bytes, 0);
  const all = [
    routing.tables.length,
    shards,
    mib(bytes),
    replyBytes.toFixed(1),
    percent(workBytes, workBytes),
  ];
  const total = ['total', ...all.map(String)];
  const said = `per request, balance ${balance.toFixed(2)} (work of the busiest node over the mean)`;
  const copies =
    replicas > 1 ? `\nshards and MiB with ${replicas} replicas, which share reply bytes and work` : '';
  const text = `${columns([head, ...lines, total])}\nreply bytes and work ${said}${copies}`;
  return published ? `${text}\n${publishedText(published)}` : text;
}

function publishedText({ to, revision, kept }: Published): string {
  if (kept) return `not published: ${to} is there and serves another plan, revision ${revision}`;
  return `published to ${to}, revision ${revision}`;
}

function percent(part: number, whole: number): string {
  return `${whole > 0 ? ((part / whole) * 100).toFixed(1) : '0.0'} %`;
}

/** The plan for programs: the prediction, and the routing table as `--out` writes it. */
export function planJson({
  routing,
  predicted,
  published,
}: MadePlan): Prediction & { readonly routing: unknown; readonly published?: Published | undefined } {
  return { ...predicted, routing: JSON.parse(routingJson(routing)), published };
}

/** Parses `--node id=url[,bytes][,zone=name]`, which can be given several times. */
export function parseNode(text: string, before: readonly PlannedNode[] = []): PlannedNode[] {
  const [, id, url, bytes, zone] =
    /^([^=]+)=(https?:\/\/.+?)(?:,(\d+))?(?:,zone=([^,]+))?$/i.exec(text) ?? [];
  if (id === undefined)
    throw new InvalidArgumentError(
      'must be id=url, and then perhaps ,bytes and ,zone=name. The url must begin with http:// or https://.',
    );
  return [...before, { id, url, bytes: bytes === undefined ? undefined : parseBytes(bytes), zone }];
}

export function parseBytes(text: string): number {
  const bytes = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('must be a number of bytes, from 0 to 2^53 − 1.');
}

export function parseReplicas(text: string): number {
  const replicas = Number(text);
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= replicasMax) return replicas;
  throw new InvalidArgumentError(`must be an integer from 1 to ${replicasMax}.`);
}

export function parseNodes(text: string): number {
  const nodes = Number(text);
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= nodesMax) return nodes;
  throw new InvalidArgumentError(`must be an integer from 1 to ${nodesMax}.`);
}
