// A cluster in three NATS servers, of which one may fail at a time.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { type Act, change, clients, play, release, rounds, versionOf } from '../78.nats/store-case.ts';
import { runs } from '../runs.ts';
import { atAll, type NatsServer, startThree } from './nats-server.ts';
import { RawNats } from './raw-nats.ts';

let servers: NatsServer[];
let buckets = 0;
beforeAll(async () => {
  servers = await startThree();
  const store = await NatsCluster.open(atAll(servers, 'first'));
  await change(store, 1);
  await store.close();
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
});

/** The server that leads a bucket. */
async function leaderOf(bucket: string): Promise<NatsServer> {
  const raw = await RawNats.open(servers[0]);
  const { cluster } = await raw.info(bucket);
  await raw.close();
  return servers[Number(cluster?.leader?.slice(1))];
}

test('of all who replace a cluster at the same time, by different servers, one wins', async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (acts) => {
      const bucket = `p${++buckets}`;
      const stores = await Promise.all(
        Array.from({ length: clients }, (_, i) => NatsCluster.open(servers[i].at(bucket))),
      );
      await play(stores, acts, true);
      await Promise.all(stores.map((store) => store.close()));
    }),
    { numRuns: Math.ceil(runs.natsRounds / 4) },
  );
});

test('the same, when all replace it all the time', async () => {
  const stores = await Promise.all(servers.map((server) => NatsCluster.open(server.at('all'))));
  const all = (i: number): Act => (i === 0 ? 'replace without a cluster' : i % 2 === 0 ? 'replace' : 'read');
  const everybody = Array.from({ length: 40 }, (_, i) => stores.map(() => all(i)));
  await play(stores, everybody, true);
  await Promise.all(stores.map((store) => store.close()));
});

test('a bucket has three replicas, or as many as were asked for', async () => {
  const raw = await RawNats.open(servers[0]);
  expect((await raw.info('first')).config.num_replicas).toBe(3);
  expect((await raw.info('first-leases')).config.num_replicas).toBe(3);
  const store = await NatsCluster.open(`${atAll(servers, 'single')}?replicas=1`);
  await change(store, 1);
  expect((await raw.info('single')).config.num_replicas).toBe(1);
  await store.close();
  const many = await NatsCluster.open(`${atAll(servers, 'many')}?replicas=5`);
  const error = await many.replace({ serving: release(1) }, undefined).catch((error: FlexemrError) => error);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('5 replicas') });
  await many.close();
  await raw.close();
});

test.for([
  ['killed', 'SIGKILL'],
  ['stopped', 'SIGSTOP'],
] as const)('while the leader of the bucket is %s, changes go on and are seen', async ([how, signal]) => {
  const bucket = `l-${how}`;
  const [writer, reader] = await Promise.all([
    NatsCluster.open(atAll(servers, bucket)),
    NatsCluster.open(atAll(servers, bucket)),
  ]);
  await change(writer, 1);
  await expect.poll(() => reader.read()).toMatchObject({ cluster: { serving: release(1) } });
  const seen: number[] = [];
  reader.watch(
    ({ serving }) => seen.push(versionOf(serving.routing)),
    () => {},
  );
  await change(writer, 2);
  await expect.poll(() => seen).toEqual([2]);
  const leader = await leaderOf(bucket);
  if (signal === 'SIGKILL') await leader.kill();
  else leader.signal(signal);
  await change(writer, 3);
  await expect.poll(() => seen).toEqual([2, 3]);
  if (signal === 'SIGKILL') await leader.start();
  else leader.signal('SIGCONT');
  await change(writer, 4);
  await expect.poll(() => seen).toEqual([2, 3, 4]);
  await Promise.all([writer.close(), reader.close()]);
});

test('without a majority nothing changes, and nothing that was written is lost', async () => {
  const bucket = 'majority';
  const store = await NatsCluster.open(atAll(servers, bucket));
  const revision = await change(store, 1);
  const leader = await leaderOf(bucket);
  const others = servers.filter((server) => server !== leader);
  for (const server of others) await server.pause();
  const error = await store.replace({ serving: release(2) }, revision).catch((error: FlexemrError) => error);
  expect(error).toBeInstanceOf(FlexemrError);
  expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  for (const server of others) server.signal('SIGCONT');
  const last = await change(store, 3);
  expect(Number(last.split('@')[0])).toBeGreaterThan(1);
  await store.close();
});
