import type { LookupsReport } from '../simulation/lookups.ts';
import type { ClusterReport, DeathReport } from '../simulation/measure-cluster.ts';
import type { NodeReport } from '../simulation/simulate-cluster.ts';
import { columns, mib } from './columns.ts';

/** The report of a simulation as text for people. */
export function simulationText(report: ClusterReport): string {
  const { costs, lookups, afterDeaths, nodes, balance, rankers, ifDead, seconds } = report;
  const parts = [
    `lookups: ${lookupsText(lookups)}`,
    ...(afterDeaths ? [`after the first death: ${lookupsText(afterDeaths)}`] : []),
    '',
    columns([
      ['node', 'load', 'subrequests/s', 'KB/s in', 'KB/s out', 'MiB of rows'],
      ...nodes.map((node) => nodeCells(node, seconds)),
    ]),
    `balance ${balance.load.toFixed(2)} (load of the busiest node over the mean), ${balance.rowBytes.toFixed(2)} (its rows)`,
    `rankers: busy ${percent(rankers.mean)}, the busiest one ${percent(rankers.most)}`,
    ...(ifDead.length > 0 ? ['', 'if a node dies, of all lookups:', columns(deathRows(ifDead))] : []),
    '',
    `costs in ns: ${JSON.stringify(costs)}`,
  ];
  return parts.join('\n');
}

function lookupsText({ answered, partial, failed, perSecond, p50Ms, p99Ms, p999Ms }: LookupsReport): string {
  const latencies = `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, p99.9 ${ms(p999Ms)}`;
  return `${answered} answered (${whole(perSecond)}/s), ${partial} of them partial, ${failed} failed; ${latencies}`;
}

function nodeCells(
  { node, load, subrequests, bytesIn, bytesOut, rowBytes }: NodeReport,
  seconds: number,
): string[] {
  const perSecond = (count: number): string => whole(count / seconds);
  const bytes = [perSecond(bytesIn / 1000), perSecond(bytesOut / 1000), mib(rowBytes)];
  return [node, percent(load), perSecond(subrequests), ...bytes];
}

function deathRows(deaths: readonly DeathReport[]): string[][] {
  const head = ['node', 'whole', 'partial', 'failed', 'p50', 'p99', 'tables that lack rows'];
  return [
    head,
    ...deaths.map(({ node, tables, answered, partial, failed, p50Ms, p99Ms }) => {
      const all = Math.max(1, answered + failed);
      const shares = [answered - partial, partial, failed].map((count) => percent(count / all));
      return [node, ...shares, ms(p50Ms), ms(p99Ms), namesText(tables)];
    }),
  ];
}

const namesShown = 3;

function namesText(names: readonly string[]): string {
  const more = names.length - namesShown;
  return `${names.slice(0, namesShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
