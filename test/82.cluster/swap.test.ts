// A cluster changes while it serves: every lookup is answered, and by one version.
import { expect, test } from 'vitest';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import type { Release } from '../../src/plan/cluster.ts';
import { nextPlan } from '../../src/plan/next-release.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';
import { roll, version } from './roll.ts';
import { Asking, codesOf, VersionedCluster, versionOf } from './versioned.ts';

async function arenaBytes({ hosts }: VersionedCluster): Promise<number[]> {
  const texts = await Promise.all(hosts.map((host) => host.metrics()));
  return texts.map((text) => Number(/^flexemr_node_arena_bytes (\S+)$/m.exec(text)?.[1]));
}

test('new versions under load: each lookup is of one version, none fails, and memory is used again', async () => {
  await using cluster = await VersionedCluster.start({ nodes: 2 });
  await using ranker = await cluster.ranker();
  using asking = new Asking(ranker);
  const before = await arenaBytes(cluster);
  for (const number of [2, 3, 4]) {
    expect(await roll(cluster, version(cluster, number))).toEqual(['begin', 'flip', 'end']);
    expect(await versionOf(ranker, 1)).toBe(number);
  }
  const { versions, failures } = await asking.stop();
  expect(codesOf(failures)).toEqual([]);
  expect([...versions.keys()]).toEqual([1, 2, 3, 4]);
  await expect.poll(() => arenaBytes(cluster)).toEqual(before);
});

test.for(['begin', 'flip'] as const)('a command that ends after %s goes on, or goes back', async (step) => {
  await using cluster = await VersionedCluster.start({ nodes: 2, headroom: 0, workers: 1 });
  await using ranker = await cluster.ranker();
  using asking = new Asking(ranker);
  await roll(cluster, version(cluster, 2), step);
  await expect(roll(cluster, version(cluster, 3))).rejects.toThrow(
    'another change of the cluster is under way',
  );
  const back = await roll(cluster, 'back');
  expect(back).toEqual(step === 'begin' ? ['abort'] : ['abort', 'end']);
  expect(await versionOf(ranker, 1)).toBe(1);
  await roll(cluster, version(cluster, 2), step);
  const rest = await roll(cluster, version(cluster, 2));
  expect(rest).toEqual(step === 'begin' ? ['flip', 'end'] : ['end']);
  expect(await versionOf(ranker, 1)).toBe(2);
  expect(await roll(cluster, version(cluster, 2))).toEqual([]);
  const { failures } = await asking.stop();
  expect(codesOf(failures)).toEqual([]);
});

test('tables move to more nodes, and to fewer; a table may get more rows', async () => {
  await using cluster = await VersionedCluster.start({ nodes: 2, headroom: 0, workers: 1 });
  await using ranker = await cluster.ranker();
  using asking = new Asking(ranker);
  const moved = (nodes: readonly PlannedNode[]) => (serving: Release) =>
    nextPlan(serving, { nodes, split: 'row' });
  const store = await openClusterSource(cluster.plan);
  // The new node starts before it has a place.
  const { cluster: now, revision } = await store.read();
  const three = [...cluster.nodes, { id: 'n2', url: 'http://127.0.0.1:9' }];
  await store.replace({ ...now, next: moved(three)(now.serving) }, revision);
  const added = await cluster.serve('n2', { workers: 1 });
  await roll(cluster, 'back');
  const nodes = [...cluster.nodes, { id: 'n2', url: added.url }];
  expect(await roll(cluster, moved(nodes))).toEqual(['begin', 'flip', 'end']);
  expect(await roll(cluster, version(cluster, 2, 3_500))).toEqual(['begin', 'flip', 'end']);
  expect(await roll(cluster, moved([nodes[2]]))).toEqual(['begin', 'flip', 'end']);
  expect(await versionOf(ranker, 1)).toBe(2);
  const { failures } = await asking.stop();
  expect(codesOf(failures)).toEqual([]);
});
