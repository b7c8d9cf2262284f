// A ranker of a simulated cluster: with engines or without, and the lookups that it gets.
import { kernelModule } from '../../src/kernel/files.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { ReplyBudget } from '../../src/ranker/reply-budget.ts';
import type { SimulatedCluster } from '../../src/simulation/cluster.ts';
import type { Network } from '../../src/simulation/network.ts';
import { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { SimulatedEngines } from './engine-ranker.ts';
import { Load, type LoadOptions, type SimulatedRanker } from './load.ts';
import { cutsOf, type Plan, setsOf } from './plan.ts';
import { Requests, type SimulatedRequest } from './requests.ts';
import type { SimulatedRows } from './rows.ts';
import { Scoring } from './scoring.ts';
import { type CountedReplies, CountedTransport } from './transport.ts';
import { engineDeath, Troubles } from './troubles.ts';

/** Memory of a lookup. The lookups of a simulation share a part of it. */
const workspaceBytes = 2 ** 26;

/** Tables of a model. */
const scoredTablesMax = 2;

/** A ranker of the cluster, and the lookups that it gets. */
export interface Ranking extends SimulatedRanker {
  readonly transport: CountedReplies;
  /** Undefined: the thread that asks does all lookups. */
  readonly engines: SimulatedEngines | undefined;
  readonly troubles: Troubles;
  readonly load: Load;
  readonly requests: Requests;
  /** Requests that come again and again. */
  readonly known: readonly SimulatedRequest[];
  readonly scoring: Scoring | undefined;
  /** A node that it does not reach any more. */
  readonly apart: string | undefined;
}

export interface RankingOptions {
  readonly world: World;
  readonly plan: Plan;
  readonly network: Network;
  readonly cluster: SimulatedCluster;
  readonly rows: SimulatedRows;
  /** Those of all rankers. */
  readonly troubles: Troubles;
  /** When a node was held last, to count credits. */
  readonly heldUntil: () => number;
}

export async function openRanking(number: number, of: RankingOptions): Promise<Ranking> {
  const { world, plan, cluster, rows } = of;
  const troubles = new Troubles(() => world.now, of.troubles);
  const processor = new Processor(`ranker${number}`);
  const opened = await open(processor, troubles, of);
  const { ranker, engines } = opened;
  const requests = new Requests(world.dice.fork(), plan.tables, rows.models);
  const options: LoadOptions = {
    setsOf: (names) => setsOf(cluster.routings, names),
    known: () => cluster.published,
    cutsOf: (table, known) => cutsOf(cluster.routings.slice(known), table),
    retriesAll: plan.crowd === 0 && plan.betweenMs >= plan.weather.delayMsMax / 2,
    patienceMs: 20 * plan.weather.delayMsMax + 100,
    lateMsMax: engines && ((begun) => engines.lateMsMax(begun)),
    hasDied: (since) => troubles.during(engineDeath, since),
  };
  const load = new Load(world, { ranker, processor }, troubles, options);
  const pooled = plan.tables.filter(({ spec }) => spec.mode !== 'none').slice(0, scoredTablesMax);
  const scoring =
    plan.scorer && number === 0 && pooled.length > 0
      ? new Scoring(world, { ranker, processor, requests, troubles }, plan.scorer, pooled, options)
      : undefined;
  const known = Array.from({ length: 12 }, () => requests.draw());
  const large = plan.largeKeys > 0 ? requests.large(plan.largeKeys) : undefined;
  // Several of them compete for memory of replies.
  if (large) known.push(large, large, large);
  const apart = plan.apart?.ranker === number ? plan.apart.node : undefined;
  return { ...opened, processor, troubles, load, requests, known, scoring, apart };
}

async function open(
  processor: Processor,
  troubles: Troubles,
  { world, plan, network, cluster, heldUntil }: RankingOptions,
): Promise<Pick<Ranking, 'ranker' | 'transport' | 'engines'>> {
  const all = new Set(cluster.nodes.map(({ name }) => name));
  const room = {
    dropMsMax: 10 * plan.weather.delayMsMax + 50,
    isExplained: (since: number) => since <= heldUntil() || troubles.explain(all, since, world.now),
  };
  if (plan.engines !== undefined) {
    const source = cluster.source(processor);
    const own = { world, network, plan, engines: plan.engines, processor, troubles, source, room };
    const engines = new SimulatedEngines({ ...own, workspaceBytes });
    const ranker = await world.in(processor, () => engines.open());
    return { ranker, transport: engines, engines };
  }
  const { bytes, longest } = new ReplyBudget(plan.ranker.replyBytes);
  const transport = new CountedTransport(network, world, { ...room, bytes, longest });
  const openInline = (): Promise<Ranker> =>
    InlineRanker.open({
      ...plan.ranker,
      ...{ routing: cluster.source(processor), transport, workspaceBytes, module: kernelModule('ranker') },
      onRoutingError: (error) => world.fail(error),
    });
  const ranker = await world.in(processor, openInline);
  return { ranker, transport, engines: undefined };
}
