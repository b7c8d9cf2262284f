// A ranker says which plan its lookups use: the oldest, until the last lookup with it has ended.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { fingerprint, planText } from '../../src/plan/fingerprint.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Gate } from '../60.transport/gate.ts';
import { Cluster } from '../cluster.ts';
import { Turnable } from './turnable.ts';

let old: Cluster;
let fresh: Cluster;
let gate: Gate;
beforeAll(async () => {
  const wrap = (node: ConstructorParameters<typeof Gate>[0]): Gate => {
    gate = new Gate(node);
    return gate;
  };
  old = await Cluster.start({ tables: wholeNumbers, nodes: 1, wrap });
  fresh = await Cluster.start({ tables: wholeNumbers, nodes: 2, split: 'row' });
});
afterAll(async () => {
  await old[Symbol.asyncDispose]();
  await fresh[Symbol.asyncDispose]();
});

const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };
const planOf = (routing: RoutingTable): string => planText(fingerprint(routing));

function reversioned({ nodes, tables }: RoutingTable): RoutingTable {
  return { nodes, tables: tables.map((table) => ({ ...table, version: table.version + 1 })) };
}

type Open = (routing: Turnable, onPlan: (plan: string) => void) => Promise<Ranker>;

test.for<[string, Open]>([
  [
    'in its own thread',
    async (routing, onPlan) => {
      const transport = old.loopback(new Map([...old.handlers, ...fresh.handlers]));
      return await InlineRanker.open({ routing, transport, module: kernelModule('ranker'), onPlan });
    },
  ],
  [
    'with engines',
    async (routing, onPlan) => {
      const choice = { name: 'stream', security: {}, device: undefined };
      return await EngineRanker.open({ routing, engines: 2, onPlan }, engineThreads(choice));
    },
  ],
])('%s', async ([, open]) => {
  const source = new Turnable(old.routing);
  const plans: string[] = [];
  const nodesThen: string[][] = [];
  const ranker = await open(source, (plan) => {
    // The first plan is said while the ranker opens.
    if (plans.push(plan) > 1) nodesThen.push(ranker.nodes.map(({ node }) => node));
  });
  const [before, after] = [planOf(old.routing), planOf(fresh.routing)];
  await expect.poll(() => plans).toEqual([before]);
  // Other addresses are the same plan.
  source.turn({ ...old.routing, nodes: old.routing.nodes.map((node) => ({ ...node, bytes: 2 ** 40 })) });
  gate.close();
  const under = ranker.lookup(bags);
  await gate.holds(1);
  source.turn(fresh.routing);
  // New lookups use the new plan, and yet the old one is in use.
  for (let i = 0; i < 8; i++) await ranker.lookup(bags);
  expect(plans).toEqual([before]);
  // A plan that no lookup uses comes and goes in between.
  source.turn(reversioned(fresh.routing));
  await ranker.checkNodes();
  source.turn(fresh.routing);
  await ranker.lookup(bags);
  expect(plans).toEqual([before]);
  gate.open();
  await under;
  await expect.poll(() => plans).toEqual([before, after]);
  source.turn(old.routing);
  await expect.poll(() => plans).toEqual([before, after, before]);
  await ranker.close();
  source.turn(fresh.routing);
  expect(plans).toEqual([before, after, before]);
  // Whoever hears of a plan finds its nodes.
  expect(nodesThen).toEqual([fresh, old].map(({ routing }) => routing.nodes.map(({ id }) => id)));
});
