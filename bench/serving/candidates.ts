// Ranking: one lookup is for many candidates of one user, whose bags are the same in all of them. Compares the same
// lookup with every bag sent, with equal bags found by the ranker, and with equal bags named by `inverse`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRanker } from '../../src/host/open-ranker.ts';
import type { Bags, KeyedBags } from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { routingJson } from '../../src/plan/routing-json.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { startChild } from './child.ts';
import type { Context } from './context.ts';
import { callingRacer, type Outcome, race } from './race.ts';
import { tableHead, tableRow } from './report.ts';
import { pickBags } from './requests.ts';
import { writeTables } from './rows.ts';
import type { FeatureBags, Workload } from './workload.ts';

/** Candidates of a user, features that describe the user, and users. */
export const candidates = 128;
const userFeatures = 20;
export const users = 16;
const inFlight = 2;

/** @param workload whose longest bags are the user's */
export async function raceCandidates(context: Context, workload: Workload): Promise<Outcome[]> {
  const { leftovers, options, traffic } = context;
  await using closing = new AsyncDisposableStack();
  const directory = leftovers.directory();
  closing.defer(() => leftovers.removeDirectory(directory));
  const [file, plan] = [join(directory, 'tables.safetensors'), join(directory, 'plan.json')];
  await writeTables(file, workload.tables);
  const tables = workload.tables.map(({ name, rows, dim, mode }) => ({ spec: { name, rows, dim, mode } }));
  const { routing } = planSharding({ tables, nodes: [{ id: 'node' }], split: 'table' });
  writeFileSync(plan, routingJson(routing));
  const started = await startChild<{ url: string }>(leftovers, `${import.meta.dirname}/ours-node.ts`, [
    ...[file, plan, 'node', '1'],
  ]);
  closing.defer(() => leftovers.end(started.child));
  const open = async (deduplicateBags: boolean): Promise<Ranker> =>
    closing.use(
      await openRanker({
        routing: { ...routing, nodes: [{ id: 'node', url: started.message.url }] },
        deduplicateBags,
        // Rows are not fetched, which would send equal keys once, too.
        pushDown: 'always',
      }),
    );
  const requests = await workload.requests(1.05);
  const full = Array.from({ length: users }, (_, user) => bagsOf(requests, user, false));
  const once = Array.from({ length: users }, (_, user) => bagsOf(requests, user, true));
  const ways = [
    { name: 'every bag sent', ranker: await open(false), all: full },
    { name: 'equal bags found', ranker: await open(true), all: full },
    { name: 'equal bags by inverse', ranker: await open(true), all: once },
  ];
  const racers = ways.map(({ name, ranker, all }) => {
    let turn = 0;
    const call = async (): Promise<number> => {
      using pooled = await ranker.lookup(all[turn++ % users]);
      // The first layer of a dense network multiplies each distinct vector once.
      for (const { distinct, values } of pooled.values())
        if ((distinct?.values ?? values).length === 0) return 0;
      return candidates;
    };
    return callingRacer({ name, inFlight, serverPids: [started.pid], traffic, call });
  });
  const outcomes = await race(racers, options.course);
  console.log(`\n${tableHead(`${candidates} candidates of one user`, 'candidates', true)}`);
  for (const outcome of outcomes) console.log(tableRow(outcome, outcomes[0]));
  return outcomes;
}

/** The bags of one user and its candidates. @param named whether an inverse names the equal bags */
function bagsOf(requests: readonly FeatureBags[], user: number, named: boolean): KeyedBags {
  const longest = longestOf(requests);
  return Object.fromEntries(
    requests.map((feature): [string, Bags] => {
      const isUsers = longest.includes(feature);
      const positions = Array.from({ length: candidates }, (_, i) =>
        isUsers ? user : user * candidates + i,
      );
      const once = named && isUsers;
      const { keys, offsets } = pickBags(feature, once ? [user] : positions);
      const inverse = once ? new Uint32Array(candidates) : undefined;
      return [feature.table.name, { keys, offsets, includeLastOffset: true, inverse }];
    }),
  );
}

/** The features that describe the user. */
export function longestOf(requests: readonly FeatureBags[]): FeatureBags[] {
  return requests.toSorted((a, b) => b.keys.length - a.keys.length).slice(0, userFeatures);
}
