// Leases of nodes and rankers in NATS.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { release } from '../78.nats/store-case.ts';
import { Running } from '../80.cli/command.ts';
import { NatsServer } from './nats-server.ts';
import { RawNats } from './raw-nats.ts';

const holder = join(import.meta.dirname, 'lease-holder.ts');
const plan = (digit: number): string => String(digit).repeat(16);
const about = { since: '', version: '', host: '' };

async function names(cluster: NatsCluster): Promise<{ nodes: string[]; rankers: string[] }> {
  const { nodes, rankers } = await cluster.leases.read();
  return { nodes: nodes.map(({ node }) => node).sort(), rankers: rankers.map(({ host }) => host).sort() };
}

test('who is killed loses its leases, and who lives keeps them', async () => {
  await using server = await NatsServer.start();
  const cluster = await NatsCluster.open(server.at('b'));
  await using dies = new Running([holder, server.at('b'), 'dies']);
  await using lives = new Running([holder, server.at('b'), 'lives']);
  await Promise.all([dies.line(), lives.line()]);
  const both = ['dies', 'lives'];
  await expect.poll(() => names(cluster)).toEqual({ nodes: both, rankers: both });
  dies.child.kill('SIGKILL');
  await expect.poll(() => names(cluster)).toEqual({ nodes: ['lives'], rankers: ['lives'] });
  await cluster.close();
});

test('a lease says at once what has changed, and goes when it is closed', async () => {
  await using server = await NatsServer.start();
  const [cluster, other] = await Promise.all([
    NatsCluster.open(server.at('b')),
    NatsCluster.open(server.at('b')),
  ]);
  let used = plan(1);
  const fail = (error: Error): never => expect.fail(error.message);
  const lease = other.leases.holdRanker(() => ({ plan: used, ...about }), fail);
  await expect.poll(() => cluster.rankers()).toMatchObject([{ plan: plan(1) }]);
  for (const digit of [2, 3, 4]) {
    used = plan(digit);
    lease.write();
    await expect.poll(() => cluster.rankers()).toMatchObject([{ plan: used }]);
  }
  const [{ id }] = await cluster.rankers();
  const second = other.leases.holdRanker(() => ({ plan: plan(5), ...about }), fail);
  await expect.poll(() => cluster.rankers()).toHaveLength(2);
  await lease.close();
  expect((await cluster.rankers()).map((ranker) => ranker.id)).not.toContain(id);
  // Closing the store closes the others.
  await other.close();
  expect(await cluster.rankers()).toEqual([]);
  void second;
  await cluster.close();
});

test('a lease that cannot be read counts: who waits for all rankers waits for it', async () => {
  await using server = await NatsServer.start();
  const cluster = await NatsCluster.open(server.at('b'));
  await cluster.replace({ serving: release(1) }, undefined);
  const raw = await RawNats.open(server);
  await raw.put('b-leases', 'ranker.newer', JSON.stringify({ plan: plan(1), ...about, more: 1 }));
  await raw.put('b-leases', 'ranker.strange', '{"plan":3}');
  await raw.put('b-leases', 'ranker.garbage', 'garbage');
  await raw.put('b-leases', 'node.garbage', 'garbage');
  await raw.put('b-leases', 'other', 'garbage');
  const { nodes, rankers } = await cluster.leases.read();
  expect(Object.fromEntries(rankers.map(({ id, plan: used }) => [id, used]))).toEqual({
    newer: plan(1),
    strange: 'unknown',
    garbage: 'unknown',
  });
  expect(nodes).toEqual([]);
  await raw.close();
  await cluster.close();
});

test('any name of a node can have a lease', async () => {
  await using server = await NatsServer.start();
  const cluster = await NatsCluster.open(server.at('b'));
  const all = ['node0', 'a.b', 'a b', '*', '>', 'ü', '=61', '猫', 'x'.repeat(200)].sort();
  const rest = { url: 'http://a', ports: [], room: { usedBytes: 0 }, releases: [], version: '' };
  for (const node of all)
    cluster.leases.holdNode(
      () => ({ node, ...rest }),
      (error) => expect.fail(error.message),
    );
  await expect.poll(async () => (await names(cluster)).nodes).toEqual(all);
  await cluster.close();
});

const both = ['one', 'two'];

/** A cluster in which both processes hold leases. */
async function held(
  server: NatsServer,
  holders: readonly Running[],
): Promise<{ readonly cluster: NatsCluster; readonly revision: string }> {
  const cluster = await NatsCluster.open(server.at('b'));
  const revision = await cluster.replace({ serving: release(1) }, undefined);
  await Promise.all(holders.map((each) => each.line()));
  await expect.poll(() => names(cluster)).toEqual({ nodes: both, rankers: both });
  return { cluster, revision };
}

test('when NATS was away for longer than leases last, all come back, and no cluster is lost', async () => {
  await using server = await NatsServer.start();
  await using one = new Running([holder, server.at('b'), both[0]]);
  await using two = new Running([holder, server.at('b'), both[1]]);
  const { cluster, revision } = await held(server, [one, two]);
  await server.kill();
  // The disk is empty too, so that every lease is gone, and even their bucket.
  await server.wipe();
  await server.start();
  await cluster.replace({ serving: release(1) }, undefined);
  await expect.poll(() => names(cluster)).toEqual({ nodes: both, rankers: both });
  expect((await cluster.read()).revision).not.toBe(revision);
  await cluster.close();
});

test('holders that do not get through lose their leases all at once, and have them again', async () => {
  await using server = await NatsServer.start();
  await using one = new Running([holder, server.at('b'), both[0]]);
  await using two = new Running([holder, server.at('b'), both[1]]);
  const { cluster, revision } = await held(server, [one, two]);
  for (const { child } of [one, two]) child.kill('SIGSTOP');
  await expect.poll(() => names(cluster)).toEqual({ nodes: [], rankers: [] });
  expect((await cluster.read()).revision).toBe(revision);
  for (const { child } of [one, two]) child.kill('SIGCONT');
  await expect.poll(() => names(cluster)).toEqual({ nodes: both, rankers: both });
  await cluster.close();
});
