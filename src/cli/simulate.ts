import { readFile } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import { deadlineMsDefault } from '../limits.ts';
import type { PushDown } from '../lookup/asked.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { checkLoads, type TableLoads } from '../plan/prediction.ts';
import { parseRouting } from '../plan/routing-json.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import { calibrate } from '../simulation/calibrate.ts';
import { type Costs, checkCosts } from '../simulation/costs.ts';
import { type ClusterReport, measureCluster } from '../simulation/measure-cluster.ts';
import { byRows, idsAsRows } from '../simulation/row-keyed.ts';
import type { Death } from '../simulation/simulate-cluster.ts';
import { recordedWorkload, syntheticWorkload, type Workload } from '../simulation/workload.ts';
import { simulatedRequestsMax } from '../simulation-limits.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { openRequests } from './requests.ts';

export interface SimulateOptions {
  readonly plan: string;
  /** A file of requests, or a JSON file that describes them. */
  readonly requests: string;
  readonly skew?: number | undefined;
  readonly seconds: number;
  /** Lookups per second of all rankers. */
  readonly rate?: number | undefined;
  /** Lookups of each ranker that are in flight at any time. */
  readonly inFlight?: number | undefined;
  readonly rankers: number;
  readonly workers: number;
  /** Milliseconds from one machine to another. */
  readonly delay: number;
  /** Of the network card of each machine. */
  readonly gbps?: number | undefined;
  readonly deadline?: number | undefined;
  readonly cache?: CacheSize | undefined;
  readonly pushDown?: PushDown | undefined;
  readonly seeds: number;
  readonly first: number;
  readonly kill?: readonly Death[] | undefined;
  /** Nodes whose death is simulated. */
  readonly deaths: number;
  /** A file of costs. Default: they are measured. */
  readonly costs?: string | undefined;
}

const bytesPerMsOfGbps = 125_000;

/** `flexemr simulate`: simulates the nodes of a plan under load. @throws INVALID_ROUTING, INVALID_FILE, INVALID_OPTION */
export async function simulate(options: SimulateOptions): Promise<ClusterReport> {
  const { seconds, rankers, workers, seeds, first, gbps, rate, inFlight } = options;
  const planned = parseRouting(await textOf(options.plan, 'plan'), options.plan);
  const routing = byRows(planned);
  const deaths = options.kill ?? [];
  for (const { node } of deaths) checkNode(routing, node);
  const workload = await workloadOf(options, planned, routing);
  const costs = await costsOf(options);
  return await measureCluster({
    ...{ routing, workload, costs, seconds, rankers, workers, seeds, first, deaths },
    load: inFlight === undefined ? { perSecond: (rate ?? 0) / rankers } : { inFlight },
    delayMs: options.delay,
    bytesPerMs: gbps && gbps * bytesPerMsOfGbps,
    deadline: options.deadline ?? deadlineMsDefault,
    cache: options.cache ?? 'off',
    pushDown: options.pushDown ?? 'auto',
    deathsOf: options.deaths,
  });
}

function checkNode({ nodes }: RoutingTable, node: string): void {
  if (nodes.some(({ id }) => id === node)) return;
  const message = `the plan has no node "${node}"; its nodes are ${nodes.map(({ id }) => id).join(', ')}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'kill', value: node });
}

async function costsOf({ costs }: SimulateOptions): Promise<Costs> {
  if (costs === undefined) return await calibrate();
  return checkCosts(await jsonOf(costs, 'costs'));
}

async function workloadOf(
  { requests, skew = 0 }: SimulateOptions,
  planned: RoutingTable,
  routing: RoutingTable,
): Promise<Workload> {
  if (!requests.endsWith('.json')) return recordedWorkload(await recorded(requests, planned));
  const loads = (await jsonOf(requests, 'requests')) as TableLoads;
  checkLoads(loads, routing.tables);
  return syntheticWorkload(routing, loads, skew);
}

/** The first requests of a file, one bag per table each. */
async function recorded(path: string, { tables }: RoutingTable): Promise<KeyedBags[]> {
  await using file = await SafetensorsFile.open(path);
  const opened = await openRequests(file, tables.length);
  const count = Math.min(opened[0]?.requests ?? 0, simulatedRequestsMax);
  if (count === 0) {
    const message = `${path} has no requests; record some, or describe them in a JSON file (docs/simulation.md)`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'requests', value: path });
  }
  const read = await Promise.all(opened.map((bags) => bags.read(0, count)));
  return Array.from({ length: count }, (_, request) =>
    Object.fromEntries(
      tables.map((table, i) => {
        const bag = bagOf(read[i], request);
        return [`f${i}`, { table: table.spec.name, ...(table.indexed ? idsAsRows(bag, table) : bag) }];
      }),
    ),
  );
}

/** A bag of a batch. */
function bagOf({ keys, offsets, weights }: Bags, bag: number): Bags {
  const [begin, end] = [Number(offsets?.[bag]), Number(offsets?.[bag + 1])];
  return { keys: keys.slice(begin, end), lengths: [end - begin], weights: weights?.slice(begin, end) };
}

async function jsonOf(path: string, field: string): Promise<unknown> {
  const text = await textOf(path, field);
  try {
    return parseJsonText(text);
  } catch (cause) {
    throw new FlexemrError('INVALID_FILE', `${path}: ${(cause as Error).message}`, {
      field,
      value: path,
      cause,
    });
  }
}

async function textOf(path: string, field: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const message = `cannot read ${path}: ${(cause as Error).message}. Check the path and its permissions.`;
    throw new FlexemrError('INVALID_FILE', message, { field, value: path, cause });
  }
}
