// A cluster in a bucket of one NATS server.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { clusterJson } from '../../src/plan/cluster.ts';
import { clients, large, play, release, rounds, versionOf } from '../78.nats/store-case.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { NatsServer } from './nats-server.ts';
import { RawNats } from './raw-nats.ts';

let server: NatsServer;
let raw: RawNats;
beforeAll(async () => {
  server = await NatsServer.start();
  raw = await RawNats.open(server);
});
afterAll(async () => {
  await raw.close();
  await server[Symbol.asyncDispose]();
});

let buckets = 0;
/** Clients of a new bucket. */
async function opened(
  count = 1,
): Promise<{ stores: NatsCluster[]; bucket: string; close: () => Promise<void> }> {
  const bucket = `b${++buckets}`;
  const stores = await Promise.all(Array.from({ length: count }, () => NatsCluster.open(server.at(bucket))));
  return {
    stores,
    bucket,
    close: async () => void (await Promise.all(stores.map((store) => store.close()))),
  };
}

test('of all who replace a cluster at the same time, one wins', async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (acts) => {
      const { stores, close } = await opened(clients);
      await play(stores, acts);
      await close();
    }),
    { numRuns: runs.natsRounds },
  );
});

test('of all who create a cluster at the same time, one wins', async () => {
  for (let made = 0; made < 60; made++) {
    const { stores, close } = await opened(clients);
    const ends = await Promise.allSettled(
      stores.map((store, i) => store.replace({ serving: release(i + 1) }, undefined)),
    );
    const codes = ends.map((end) => (end.status === 'rejected' ? end.reason.code : 'won')).sort();
    expect(codes).toEqual(['CONFLICT', 'CONFLICT', 'won']);
    await close();
  }
});

test('a bucket keeps its history on disk, and reads go to the leader', async () => {
  const { stores, bucket, close } = await opened();
  const [store] = stores;
  let revision: string | undefined;
  for (let version = 1; version <= 20; version++)
    revision = await store.replace({ serving: release(version) }, revision);
  const { config, state } = await raw.info(bucket);
  expect(config).toMatchObject({
    ...{ storage: 'file', max_msgs_per_subject: 16, num_replicas: 1, max_age: 0 },
    ...{ allow_direct: false, deny_delete: true, retention: 'limits', discard: 'new' },
  });
  expect(state.messages).toBe(16);
  await close();
});

test('another client of NATS sees the cluster as a key with JSON', async () => {
  const { stores, bucket, close } = await opened();
  const cluster = { serving: release(1), next: release(2) };
  await stores[0].replace(cluster, undefined);
  expect(await raw.get(bucket, 'cluster')).toBe(clusterJson(cluster));
  await close();
});

test('a bucket that allows direct reads is read from the leader, too', async () => {
  const { stores, bucket, close } = await opened();
  await raw.create(bucket, { allow_direct: true });
  const counted = await raw.countDirectReads(bucket);
  let revision: string | undefined;
  for (let version = 1; version <= 10; version++) {
    revision = await stores[0].replace({ serving: release(version) }, revision);
    expect((await stores[0].read()).revision).toBe(revision);
  }
  expect(counted()).toBe(0);
  await close();
});

test('without a bucket, and without a cluster in it, the error says what to do', async () => {
  const { stores, bucket, close } = await opened();
  expect(await refused(() => stores[0].read())).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('flexemr plan --publish'),
  });
  const revision = await stores[0].replace({ serving: release(1) }, undefined);
  await raw.delete(bucket, 'cluster');
  expect(await refused(() => stores[0].read())).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('flexemr plan --publish'),
  });
  expect(await refused(() => stores[0].replace({ serving: release(2) }, revision))).toMatchObject({
    code: 'CONFLICT',
  });
  await stores[0].replace({ serving: release(3) }, undefined);
  expect(versionOf((await stores[0].read()).cluster.serving.routing)).toBe(3);
  await close();
});

test('a bucket that was made anew has other revisions, even with the same numbers', async () => {
  const { stores, bucket, close } = await opened();
  const first = await stores[0].replace({ serving: release(1) }, undefined);
  await raw.destroy(bucket);
  const other = await NatsCluster.open(server.at(bucket));
  const second = await other.replace({ serving: release(2) }, undefined);
  expect(first.split('@')[0]).toBe(second.split('@')[0]);
  expect(await refused(() => stores[0].replace({ serving: release(3) }, first))).toMatchObject({
    code: 'CONFLICT',
  });
  await other.close();
  await close();
});

test.for([
  ['forgets', { max_age: 60_000_000_000 }],
  ['is in memory', { storage: 'memory' as const }],
] as const)('a bucket that %s is refused', async ([problem, config]) => {
  const { stores, bucket, close } = await opened();
  await raw.create(bucket, config);
  const error = await refused(() => stores[0].replace({ serving: release(1) }, undefined));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(problem) });
  expect(error.message).toContain('Delete it');
  await close();
});

test('two releases of 1,000 shards fit; what does not fit is refused, and nothing is lost', async () => {
  const { stores, close } = await opened();
  const [store] = stores;
  const { serving } = large(1_000);
  const [table] = serving.routing.tables;
  const next = { routing: { ...serving.routing, tables: [{ ...table, version: 2 }] } };
  const revision = await store.replace({ serving, next }, undefined);
  expect((await store.read()).cluster).toEqual({ serving, next });
  const error = await refused(() => store.replace(large(40_000), revision));
  expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', message: expect.stringContaining('max_payload') });
  expect((await store.read()).revision).toBe(revision);
  // The largest that fits, to a few shards.
  const bytes = (shards: number): number => clusterJson(large(shards)).length;
  let shards = 1_000;
  while (bytes(shards + 200) < 2 ** 20 - 1_024) shards += 200;
  await store.replace(large(shards), revision);
  expect((await store.read()).cluster).toEqual(large(shards));
  await close();
});

test('what is not a cluster is refused by who reads it, and told once to who watches it', async () => {
  const { stores, bucket, close } = await opened();
  const [store] = stores;
  await store.replace({ serving: release(1) }, undefined);
  await store.read();
  const seen: number[] = [];
  const errors: Error[] = [];
  store.watch(
    ({ serving }) => seen.push(versionOf(serving.routing)),
    (error) => errors.push(error),
  );
  await raw.put(bucket, 'cluster', '{"format":"flexemr-cluster-1","serving":3}');
  await expect.poll(() => errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ code: 'INVALID_ROUTING', message: expect.stringContaining(bucket) });
  const error = await refused(() => store.read());
  expect(error).toMatchObject({ code: 'INVALID_ROUTING' });
  await raw.put(bucket, 'cluster', clusterJson({ serving: release(2) }));
  await expect.poll(() => seen).toEqual([2]);
  expect(errors).toHaveLength(1);
  await close();
});

test('a server without JetStream', async () => {
  await using plain = await NatsServer.start({ config: 'jetstream: disabled' });
  const store = await NatsCluster.open(plain.at('b'));
  for (const work of [
    () => store.read(),
    () => store.replace({ serving: release(1) }, undefined),
    () => store.leases.read(),
  ])
    expect(await refused(work)).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('-js'),
    });
  await store.close();
});

test('after its end, a store refuses everything', async () => {
  const { stores, close } = await opened();
  await close();
  for (const work of [() => stores[0].read(), () => stores[0].replace({ serving: release(1) }, undefined)])
    expect(await refused(work)).toMatchObject({ code: 'RELEASED' });
});
