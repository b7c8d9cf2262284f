// Simulated clusters of any plan: what they report follows from the plan, the load and the costs.
import { expect, test } from 'vitest';
import { rowBytes } from '../../src/kernel/dtype.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { RowDtype, TableMode } from '../../src/plan/table-spec.ts';
import type { Costs } from '../../src/simulation/costs.ts';
import { measureCluster } from '../../src/simulation/measure-cluster.ts';
import { byRows } from '../../src/simulation/row-keyed.ts';
import { type SimulationOptions, simulateCluster } from '../../src/simulation/simulate-cluster.ts';
import { syntheticWorkload } from '../../src/simulation/workload.ts';

const costs: Costs = {
  thread: { wake: 1_000, read: 2_000, write: 3_000, rest: 500 },
  node: { subrequest: 100_000, segment: 1_000, key: 50, rowByte: 1, replyByte: 2 },
  ranker: { lookup: 10_000, feature: 500, key: 20, subrequest: 4_000, replyByte: 1 },
};

/** Tables that no machine has the memory for, one per node. */
function routingOf(nodes: number, dtype: RowDtype = 'f32', mode: TableMode = 'sum'): RoutingTable {
  const ids = Array.from({ length: nodes }, (_, i) => `node${i}`);
  return {
    nodes: ids.map((id) => ({ id })),
    tables: ids.map((node, i) => ({
      spec: { name: `table${i}`, rows: 4_000_000_000, dim: 32, mode, dtype },
      ...{ version: 1, indexed: false, shards: [{ node, begin: 0, end: 4_000_000_000 }] },
    })),
  };
}

function optionsOf(routing: RoutingTable, keysPerBag = 4): SimulationOptions {
  const loads = Object.fromEntries(routing.tables.map(({ spec }) => [spec.name, { keysPerBag }]));
  return {
    ...{ routing, costs, seed: 1, seconds: 1, rankers: 1, workers: 1, delayMs: 0.5, bytesPerMs: undefined },
    ...{ workload: syntheticWorkload(routing, loads, 0), load: { perSecond: 400 }, deaths: [] },
    ...{ deadline: 1_000, cache: 'off', pushDown: 'always' },
  };
}

test('a node is busy for as long as its subrequests cost', async () => {
  const { nodes, lookups } = await simulateCluster(optionsOf(routingOf(2)));
  const { answered, failed, partial } = lookups.report(1);
  expect({ failed, partial }).toEqual({ failed: 0, partial: 0 });
  const { thread, node } = costs;
  const bytes = 4 * rowBytes('f32', 32);
  const kernel = node.segment + 4 * node.key + bytes * node.rowByte;
  // Headers are a part of the reply, too.
  const reply = (64 + 32 * 4 + 4) * node.replyByte;
  const each = (thread.read + thread.write + thread.rest + node.subrequest + kernel + reply) / 1e9;
  for (const { load, subrequests } of nodes) {
    expect(subrequests).toBeGreaterThanOrEqual(answered - 2);
    expect(load / (subrequests * each)).toBeGreaterThan(0.99);
    expect(load / (subrequests * each)).toBeLessThan(1.01);
  }
});

test('a lookup takes the time of the network, and of its work', async () => {
  const { lookups } = await simulateCluster({ ...optionsOf(routingOf(1)), load: { inFlight: 1 } });
  const { p50Ms, perSecond } = lookups.report(1);
  expect(p50Ms).toBeGreaterThan(2 * 0.5 + 0.1);
  expect(p50Ms).toBeLessThan(2 * 0.5 + 0.2);
  expect(perSecond).toBeGreaterThan(900 / p50Ms);
});

test('rankers and nodes pause as the costs say', async () => {
  const run = async (pauses: Costs['pauses']) => {
    const options = { ...optionsOf(routingOf(1)), seconds: 4, costs: { ...costs, pauses } };
    const { nodes, rankerLoads, lookups } = await simulateCluster(options);
    return { loads: [nodes[0].load, rankerLoads[0]], p99Ms: lookups.report(4).p99Ms };
  };
  const none = { every: 0, pause: 0 };
  const some = { every: 500_000, pause: 200_000 };
  const without = await run(undefined);
  expect(await run({ node: none, ranker: none })).toEqual(without);
  const moreLoad = async (pauses: Costs['pauses']): Promise<number[]> => {
    const { loads, p99Ms } = await run(pauses);
    expect(p99Ms).toBeGreaterThan(without.p99Ms);
    return loads.map((load, i) => load / without.loads[i]);
  };
  const [node, idle] = await moreLoad({ node: some, ranker: none });
  expect(idle).toBeCloseTo(1, 2);
  expect((node - 1) / (some.pause / some.every)).toBeCloseTo(1, 0.3);
  const [other, ranker] = await moreLoad({ node: none, ranker: some });
  expect(other).toBeCloseTo(1, 2);
  expect((ranker - 1) / (some.pause / some.every)).toBeCloseTo(1, 0.3);
});

test('the same seed gives the same report, and another one another', async () => {
  const options = { ...optionsOf(routingOf(3)), seeds: 1, first: 1, deathsOf: 1 };
  const once = await measureCluster(options);
  expect(await measureCluster(options)).toEqual(once);
  expect(await measureCluster({ ...options, first: 2 })).not.toEqual(once);
});

test('more than a node can do makes lookups late', async () => {
  const slow = { ...costs, node: { ...costs.node, subrequest: 2_000_000 } };
  const base = { ...optionsOf(routingOf(1)), costs: slow };
  const at = async (perSecond: number): Promise<number> => {
    const { lookups } = await simulateCluster({ ...base, load: { perSecond } });
    return lookups.report(1).p99Ms;
  };
  const [calm, over] = [await at(50), await at(600)];
  expect(calm).toBeLessThan(10);
  expect(over).toBeGreaterThan(50);
});

test('a network card that is too slow makes lookups late', async () => {
  const base = { ...optionsOf(routingOf(1), 16), pushDown: 'never' as const };
  const fast = (await simulateCluster(base)).lookups.report(1);
  const slow = (await simulateCluster({ ...base, bytesPerMs: 1_000 })).lookups.report(1);
  expect(slow.p50Ms).toBeGreaterThan(fast.p50Ms + 2);
});

test('without a node, lookups lack its tables, and no others', async () => {
  const routing = routingOf(3);
  const { ifDead, nodes } = await measureCluster({ ...optionsOf(routing), seeds: 1, first: 1, deathsOf: 3 });
  expect(ifDead.map(({ node }) => node).sort()).toEqual(['node0', 'node1', 'node2']);
  for (const { node, tables, partial, answered, failed } of ifDead) {
    expect(tables).toEqual([`table${node.at(-1)}`]);
    expect(failed).toBe(0);
    expect(partial).toBe(answered);
  }
  expect(nodes.map(({ rowBytes: bytes }) => bytes)).toEqual([1, 2, 3].map(() => 4_000_000_000 * 128));
  // Lookups that do not need the node are whole.
  const loads = { table0: { bagsPerRequest: 0 } };
  const spared = { ...optionsOf(routing), workload: syntheticWorkload(routing, loads, 0) };
  const { after } = await simulateCluster({ ...spared, deaths: [{ node: 'node0', atMs: 200 }] });
  const { answered, partial, failed } = after.report(1);
  expect({ partial, failed }).toEqual({ partial: 0, failed: 0 });
  expect(answered).toBeGreaterThan(200);
});

test.for(['f32', 'f16', 'int8', 'int4'] as const)(
  'tables of %s rows are simulated, pooled and fetched',
  async (dtype) => {
    for (const mode of ['mean', 'max', 'none'] as const)
      for (const pushDown of ['always', 'never'] as const) {
        const { lookups } = await simulateCluster({
          ...optionsOf(routingOf(2, dtype, mode)),
          ...{ pushDown, seconds: 0.1 },
        });
        const { answered, failed } = lookups.report(1);
        expect(answered).toBeGreaterThan(10);
        expect(failed).toBe(0);
      }
  },
);

test('the rows of an indexed table are cut in the shares of its hashes', () => {
  const spec = { name: 'ids', rows: 1_000, dim: 4, mode: 'sum' } as const;
  const shards = [
    { node: 'a', begin: 0, end: 2 ** 30 },
    { node: 'b', begin: 2 ** 30, end: 2 ** 32 },
  ];
  const [table] = byRows({ nodes: [], tables: [{ spec, version: 1, indexed: true, shards }] }).tables;
  expect(table.shards).toEqual([
    { node: 'a', begin: 0, end: 250 },
    { node: 'b', begin: 250, end: 1_000 },
  ]);
});
