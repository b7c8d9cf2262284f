// Simulates a cluster under load, and measures it.
import type { PushDown } from '../lookup/asked.ts';
import { predictionOf } from '../plan/prediction.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import { AnswerCosts } from './answer-costs.ts';
import { SimulatedCluster, type SimulatedNode } from './cluster.ts';
import { type Costs, ms, threadCosts } from './costs.ts';
import { Lookups } from './lookups.ts';
import { Network } from './network.ts';
import { Cores } from './processor.ts';
import { type Load, RankerThread } from './ranker-thread.ts';
import { SyntheticRows } from './synthetic-rows.ts';
import type { Workload } from './workload.ts';
import { World } from './world.ts';

/** Until rankers have connected to nodes, nothing is counted. */
const warmUpMs = 500;

/** Bytes that may be under way on one connection. */
const windowBytes = 2 ** 22;

export interface Death {
  readonly node: string;
  /** Since the first lookup that counts. */
  readonly atMs: number;
}

export interface SimulationOptions {
  readonly routing: RoutingTable;
  readonly workload: Workload;
  readonly costs: Costs;
  /** Of one machine that everything runs on. Default: each thread has a core of its own. */
  readonly cores?: number | undefined;
  readonly seed: number;
  readonly seconds: number;
  /** Of each ranker. */
  readonly load: Load;
  readonly rankers: number;
  /** Worker threads of each node. */
  readonly workers: number;
  /** From one machine to another: always the same, or any of those that were measured. */
  readonly delayMs: number | readonly number[];
  /** Of the network card of each machine. Undefined: no limit. */
  readonly bytesPerMs: number | undefined;
  /** Of each lookup. */
  readonly deadline: number;
  readonly cache: CacheSize;
  readonly pushDown: PushDown;
  readonly deaths: readonly Death[];
}

export interface NodeReport {
  readonly node: string;
  /** Share of the time in which its workers are busy. */
  readonly load: number;
  readonly subrequests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes of its rows. */
  readonly rowBytes: number;
}

export interface ClusterRun {
  /** All lookups, or those until the first death. */
  readonly lookups: Lookups;
  /** Lookups since the first death. */
  readonly after: Lookups;
  readonly nodes: readonly NodeReport[];
  /** Busy shares of rankers. */
  readonly rankerLoads: readonly number[];
  readonly events: number;
}

/** @throws as Ranker.open */
export async function simulateCluster(options: SimulationOptions): Promise<ClusterRun> {
  using world = new World(options.seed);
  const { delayMs, bytesPerMs } = options;
  const weather = {
    ...(typeof delayMs === 'number'
      ? { delayMsMin: delayMs, delayMsMax: delayMs }
      : { delayMsMin: 0, delayMsMax: 0, delaysMs: delayMs }),
    ...{ piecesMax: 1, windowBytes, bytesPerMs },
  };
  using network = new Network(world, weather);
  using _ = new AnswerCosts(world, options.costs.node);
  return await world.run(play(world, network, options));
}

async function play(world: World, network: Network, options: SimulationOptions): Promise<ClusterRun> {
  const { routing, costs, workers, rankers, seconds, deaths } = options;
  const cores = options.cores === undefined ? undefined : new Cores(options.cores);
  const rows = new SyntheticRows();
  const subrequestMs = ms(costs.node.subrequest);
  const health = {
    replyMs: () => 0,
    full: false,
    onOverload: () => {},
    onSubrequest: () => world.work(subrequestMs),
  };
  const cluster = new SimulatedCluster({
    ...{ world, network, workers, rows, cores, costs: threadCosts(costs, 'node'), healthOf: () => health },
    ...{ nodes: routing.nodes.map(({ id }) => id), tables: routing.tables },
  });
  await cluster.start();
  const [lookups, after] = [new Lookups(), new Lookups()];
  let begin = Number.POSITIVE_INFINITY;
  const end = (): number => begin + seconds * 1000;
  const firstDeath = Math.min(...deaths.map(({ atMs }) => atMs));
  const countedIn = (begun: number): Lookups | undefined => {
    if (begun < begin || begun >= end()) return undefined;
    return begun < begin + firstDeath ? lookups : after;
  };
  const threads = Array.from(
    { length: rankers },
    (_, i) => new RankerThread(`ranker${i}`, { ...options, world, network, cluster, cores, countedIn }),
  );
  await Promise.all(threads.map((thread) => thread.open()));
  begin = world.now + warmUpMs;
  for (const { node, atMs } of deaths)
    world.at(begin + atMs, () => cluster.nodes.find(({ name }) => name === node)?.die(false), world.outside);
  const ended = Promise.all(threads.map((thread) => thread.run(end())));
  await world.sleep(warmUpMs);
  const [before, rankersBefore] = [
    cluster.nodes.map(usedBy),
    threads.map(({ processor }) => processor.busyMs),
  ];
  await world.sleep(seconds * 1000);
  const used = cluster.nodes.map(usedBy);
  const rankerLoads = threads.map(
    ({ processor }, i) => (processor.busyMs - rankersBefore[i]) / (seconds * 1000),
  );
  await ended;
  const stored = predictionOf(routing, {}).nodes;
  const nodes = used.map((own, i) => ({
    node: cluster.nodes[i].name,
    load: (own.busyMs - before[i].busyMs) / (seconds * 1000 * workers),
    subrequests: own.subrequests - before[i].subrequests,
    bytesIn: own.bytesIn - before[i].bytesIn,
    bytesOut: own.bytesOut - before[i].bytesOut,
    rowBytes: stored[i].bytes,
  }));
  return { lookups, after, nodes, rankerLoads, events: world.steps };
}

function usedBy({ processes, nic }: SimulatedNode) {
  const workers = processes.flatMap((process) => process.workers);
  const processors = processes.flatMap((process) => process.processors);
  return {
    busyMs: processors.reduce((sum, { busyMs }) => sum + busyMs, 0),
    subrequests: workers.reduce((sum, { node }) => sum + node.stats.subrequests, 0),
    bytesIn: nic.bytesReceived,
    bytesOut: nic.bytesSent,
  };
}
