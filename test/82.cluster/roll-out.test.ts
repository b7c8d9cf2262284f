// What a roll-out waits for, and what rankers hear of it.
import { expect, test } from 'vitest';
import { rollBack, rollOut } from '../../src/host/roll-out.ts';
import { begin, type Cluster, end, flip, type Release } from '../../src/plan/cluster.ts';
import { clusterRouting } from '../../src/plan/cluster-routing.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';
import { Cell, MemoryStore } from '../78.nats/memory-store.ts';

/** One shard on node a, and on node b as a replica. */
function release(version: number): Release {
  const shards = [{ node: 'a', replicas: ['b'], begin: 0, end: 4 }];
  const spec = { name: 't', rows: 4, dim: 1, mode: 'sum' } as const;
  const nodes = ['a', 'b'].map((id) => ({ id, url: `http://${id}` }));
  return { routing: { nodes, tables: [{ spec, version, indexed: false, shards }] } };
}

test.for(['a', 'b'])('it waits for node %s, which holds every shard', async (slow) => {
  const store = new MemoryStore(new Cell());
  await store.replace({ serving: release(1) }, undefined);
  const next = release(2);
  const describe = async (url: string): Promise<NodeDescription> => {
    const state = url === `http://${slow}` ? 'loading' : 'ready';
    const releases = [{ plan: planName(next.routing), state, idleMs: 60_000 }];
    return { workers: [], releases } as unknown as NodeDescription;
  };
  const rolled = rollOut(store, next, { transport: { describe }, waitMs: 1, quietMs: 0 });
  await expect(rolled).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`${slow} loads`),
  });
  expect((await store.read()).cluster).toMatchObject({ serving: release(1), next });
});

test('a change that another command has aborted is not waited for, and not begun again', async () => {
  const store = new MemoryStore(new Cell());
  await store.replace({ serving: release(1) }, undefined);
  const describe = async (): Promise<NodeDescription> => ({ workers: [], releases: [] }) as never;
  const options = { transport: { describe }, waitMs: 60_000 };
  const begun = Promise.withResolvers<void>();
  const rolled = rollOut(store, release(2), { ...options, onStep: () => begun.resolve() });
  const refused = expect(rolled).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('another command has aborted this change'),
  });
  await begun.promise;
  await rollBack(store, options);
  await refused;
  expect((await store.read()).cluster).toEqual({ serving: release(1) });
});

test('rankers hear of a release when it is served, and not while it comes or goes', async () => {
  const serving: Cluster = { serving: release(1) };
  let tell = (_: Cluster): void => {};
  const source = clusterRouting({
    read: async () => ({ cluster: serving, revision: '1' }),
    watch(onChange) {
      tell = onChange;
      return () => {};
    },
  });
  const heard: number[] = [];
  await source.read();
  source.watch(
    ({ tables: [{ version }] }) => heard.push(version),
    (error) => expect.fail(error.message),
  );
  const coming = begin(serving, release(2));
  for (const cluster of [coming, flip(coming), end(flip(coming))]) tell(cluster);
  expect(heard).toEqual([2]);
});
