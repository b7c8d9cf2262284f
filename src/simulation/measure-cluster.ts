// What somebody asks before they buy machines: latencies, loads, memory, and what happens if a node dies.
import { holdersOf, type RoutingTable } from '../plan/routing-table.ts';
import type { Costs } from './costs.ts';
import { Lookups, type LookupsReport } from './lookups.ts';
import {
  type ClusterRun,
  type NodeReport,
  type SimulationOptions,
  simulateCluster,
} from './simulate-cluster.ts';

export interface MeasureOptions extends Omit<SimulationOptions, 'seed'> {
  /** Each seed is another run of as many seconds. */
  readonly seeds: number;
  readonly first: number;
  /** Nodes whose death is simulated, each in a run of its own: the busiest ones. */
  readonly deathsOf: number;
}

export interface ClusterReport {
  readonly costs: Costs;
  readonly seconds: number;
  readonly lookups: LookupsReport;
  /** Lookups since the first death that was asked for. */
  readonly afterDeaths: LookupsReport | undefined;
  readonly nodes: readonly NodeReport[];
  /** Of the busiest node and of the one with the most rows, over the mean. */
  readonly balance: { readonly load: number; readonly rowBytes: number };
  /** Busy shares. */
  readonly rankers: { readonly mean: number; readonly most: number };
  readonly ifDead: readonly DeathReport[];
}

/** Lookups after the death of a node. */
export interface DeathReport extends LookupsReport {
  readonly node: string;
  /** Tables with rows on the node. */
  readonly tables: readonly string[];
}

export async function measureCluster(options: MeasureOptions): Promise<ClusterReport> {
  const { seeds, first, costs, seconds, deaths, deathsOf } = options;
  const runs: ClusterRun[] = [];
  for (let seed = first; seed < first + seeds; seed++) runs.push(await simulateCluster({ ...options, seed }));
  const nodes = runs[0].nodes.map((_, i) => meanOf(runs.map((run) => run.nodes[i])));
  const firstDeath = Math.min(seconds, ...deaths.map(({ atMs }) => atMs / 1000));
  const rankerLoads = runs.flatMap((run) => run.rankerLoads);
  const busiest = [...nodes].sort((a, b) => b.load - a.load).slice(0, deathsOf);
  const ifDead: DeathReport[] = [];
  for (const { node } of busiest) ifDead.push(await death(options, node));
  return {
    ...{ costs, seconds: seconds * seeds },
    lookups: all(runs.map((run) => run.lookups)).report(firstDeath * seeds),
    afterDeaths:
      deaths.length === 0
        ? undefined
        : all(runs.map((run) => run.after)).report((seconds - firstDeath) * seeds),
    nodes,
    balance: {
      load: mostOverMean(nodes.map(({ load }) => load)),
      rowBytes: mostOverMean(nodes.map(({ rowBytes }) => rowBytes)),
    },
    rankers: { mean: mean(rankerLoads), most: Math.max(...rankerLoads) },
    ifDead,
  };
}

/** A run in which the node dies at the begin. */
async function death(options: MeasureOptions, node: string): Promise<DeathReport> {
  const { first, seconds, routing } = options;
  const { after } = await simulateCluster({ ...options, seed: first, deaths: [{ node, atMs: 0 }] });
  return { node, tables: tablesOnlyOn(routing, node), ...after.report(seconds) };
}

/** The tables that have rows on no other node. */
function tablesOnlyOn({ tables }: RoutingTable, node: string): string[] {
  return tables
    .filter(({ shards }) => shards.some((shard) => holdersOf(shard).every((holder) => holder === node)))
    .map(({ spec }) => spec.name);
}

function all(some: readonly Lookups[]): Lookups {
  const sum = new Lookups();
  for (const lookups of some) sum.add(lookups);
  return sum;
}

function meanOf(reports: readonly NodeReport[]): NodeReport {
  const of = (field: 'load' | 'subrequests' | 'bytesIn' | 'bytesOut'): number =>
    mean(reports.map((report) => report[field]));
  return {
    ...reports[0],
    load: of('load'),
    subrequests: of('subrequests'),
    bytesIn: of('bytesIn'),
    bytesOut: of('bytesOut'),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** 1 if all are 0. */
function mostOverMean(values: readonly number[]): number {
  const even = mean(values);
  return even > 0 ? Math.max(...values) / even : 1;
}
