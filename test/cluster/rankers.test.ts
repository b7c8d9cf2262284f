// Rankers and nodes that have their routing from NATS.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ClusterStatus } from '../../src/host/cluster-status.ts';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { flip } from '../../src/plan/cluster.ts';
import { fingerprint, planText } from '../../src/plan/fingerprint.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import {
  denseFile,
  done,
  flexemr,
  type Running,
  refused,
  requestsFile,
  served,
  tablesFile,
} from '../80.cli/command.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { started } from '../service/ranker.ts';
import { NatsServer } from './nats-server.ts';

let old: Cluster;
let fresh: Cluster;
let wanted: object[];
const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };
beforeAll(async () => {
  old = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  fresh = await Cluster.start({ tables: wholeNumbers, nodes: 2, split: 'row' });
  await using local = await old.tables();
  wanted = bits(await local.lookup(bags));
});
afterAll(async () => {
  await old[Symbol.asyncDispose]();
  await fresh[Symbol.asyncDispose]();
});

let server: NatsServer;
let store: NatsCluster;
beforeEach(async () => {
  server = await NatsServer.start();
  store = await NatsCluster.open(server.at('b'));
});
afterEach(async () => {
  await store.close();
  await server[Symbol.asyncDispose]();
});

const planOf = (routing: RoutingTable): string => planText(fingerprint(routing));
const plans = async (): Promise<string[]> => (await store.rankers()).map(({ plan }) => plan);

test.for([0, 2])('a ranker with %i engines follows a cluster, and says what it uses', async (engines) => {
  const next = { routing: fresh.routing };
  const revision = await store.replace({ serving: { routing: old.routing }, next }, undefined);
  const errors: Error[] = [];
  const ranker = await old.ranker({
    ...{ routing: server.at('b'), transport: 'stream', engines },
    onRoutingError: (error) => errors.push(error),
  });
  expect(bits(await ranker.lookup(bags))).toEqual(wanted);
  await expect.poll(plans).toEqual([planOf(old.routing)]);
  const flipped = flip((await store.read()).cluster);
  await store.replace(flipped, revision);
  await expect.poll(plans).toEqual([planOf(fresh.routing)]);
  expect(ranker.nodes.map(({ node }) => node)).toEqual(fresh.routing.nodes.map(({ id }) => id));
  expect(bits(await ranker.lookup(bags))).toEqual(wanted);
  expect(errors).toEqual([]);
  await ranker.close();
  expect(await plans()).toEqual([]);
});

test('while NATS is away, lookups go on; afterwards the ranker follows again', async () => {
  const revision = await store.replace({ serving: { routing: old.routing } }, undefined);
  const errors: Error[] = [];
  await using ranker = await old.ranker({
    ...{ routing: server.at('b'), transport: 'stream' },
    onRoutingError: (error) => errors.push(error),
  });
  await expect.poll(plans).toEqual([planOf(old.routing)]);
  await server.kill();
  const looked = async (): Promise<number> => {
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    return errors.length;
  };
  await expect.poll(looked).toBe(1);
  expect(errors[0]).toMatchObject({ code: 'UNAVAILABLE' });
  await server.start();
  await store.replace({ serving: { routing: fresh.routing } }, revision);
  await expect.poll(plans).toEqual([planOf(fresh.routing)]);
  await looked();
  expect(errors).toHaveLength(1);
});

test('a ranker does not open without a cluster, or with nodes that do not serve it', async () => {
  const options = { routing: server.at('b'), transport: 'stream' } as const;
  await expect(old.ranker(options)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const nodes = old.routing.nodes.map((node) => ({ ...node, url: 'http://127.0.0.1:9' }));
  await store.replace({ serving: { routing: { ...old.routing, nodes } } }, undefined);
  await expect(old.ranker(options)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(old.ranker({ ...options, engines: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await plans()).toEqual([]);
});

function withoutAges(status: ClusterStatus): unknown {
  return JSON.parse(JSON.stringify(status, (key, value) => (key === 'ageMs' ? undefined : value)));
}

test('from a plan to lookups, with commands', async () => {
  const where = server.at('movies');
  const planning = ['plan', '--tables', tablesFile];
  const found = (): ClusterStatus => done('status', '--routing', where) as unknown as ClusterStatus;
  refused(['status', '--routing', where], 1, /UNAVAILABLE: .*there is no cluster.*flexemr plan --publish/);
  const first = ['--node', 'node0=http://127.0.0.1:9', '--node', 'node1=http://127.0.0.1:9'];
  expect(done(...planning, ...first, '--publish', where)).toMatchObject({
    published: { to: where, revision: expect.stringMatching(/^1@/) },
  });
  const running: Running[] = [];
  try {
    const urls: string[] = [];
    for (const node of ['node0', 'node1']) {
      const begun = await served('--tables', tablesFile, '--plan', where, '--node', node);
      running.push(begun.node);
      urls.push(begun.ready.url);
    }
    // Now the addresses are known. The plan is the same, so it may be published again.
    const given = urls.flatMap((url, i) => ['--node', `node${i}=${url}`]);
    const { code, stdout } = flexemr(...planning, ...given, '--publish', where);
    expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: expect.stringMatching(new RegExp(`^published to ${where}, revision 2@`)),
    });
    refused(
      [...planning, ...given.slice(0, 2), '--publish', where],
      1,
      /CONFLICT: .*flexemr swap.*flexemr rebalance/,
    );
    // One that is started again and again leaves what others have changed since.
    const another = [...planning, ...given.slice(0, 2), '--publish', where, '--if-absent'];
    expect(done(...another)).toMatchObject({ published: { to: where, kept: true } });
    expect(flexemr(...another).stdout).toContain(`not published: ${where} is there and serves another plan`);
    const status = found();
    const { plan } = status.serving;
    expect(status).toMatchObject({
      ...{ source: where, revision: expect.stringMatching(/^2@/), rankers: [] },
      serving: { from: tablesFile, nodes: 2 },
      nodes: urls.map((url, i) => ({
        ...{ node: `node${i}`, url, answers: true, plan, suspect: false },
        lease: { url, releases: [{ plan, state: 'ready' }], room: { usedBytes: expect.any(Number) } },
      })),
    });
    // A service tells the same, and is one of the rankers.
    const { service, ready } = await started('--routing', where, '--dense', denseFile);
    running.push(service);
    const told = await fetch(`${ready.url}/v1/cluster`);
    const { cluster } = (await told.json()) as { cluster: ClusterStatus };
    expect(cluster.rankers).toMatchObject([{ plan }]);
    expect(withoutAges(cluster)).toEqual(withoutAges(found()));
    const out = join(server.folder, 'pooled.safetensors');
    expect(done('lookup', '--routing', where, '--requests', requestsFile, '--out', out)).toMatchObject({
      requests: 200,
    });
    running[1].child.kill('SIGTERM');
    expect(await running[1].ended).toMatchObject({ code: 0 });
    expect(found().nodes).toMatchObject([
      { node: 'node0', answers: true, suspect: false },
      { node: 'node1', answers: false, suspect: true, problem: expect.stringContaining('cannot be reached') },
    ]);
    const text = flexemr('status', '--routing', where).stdout;
    expect(text).toMatch(new RegExp(`^serving +${plan} from ${tablesFile}: `, 'm'));
    expect(text).toMatch(/^node1 .* no .* suspect /m);
    expect(text).toMatch(/no change is under way/);
  } finally {
    for (const node of running) await node[Symbol.asyncDispose]();
  }
});

test('status shows a change that is under way, and who uses what', async () => {
  const serving = { routing: old.routing, tables: '/old' };
  const next = { routing: fresh.routing, tables: '/new' };
  let revision = await store.replace({ serving, next }, undefined);
  await using ranker = await old.ranker({ routing: server.at('b'), transport: 'stream' });
  await expect.poll(plans).toEqual([planOf(old.routing)]);
  const text = (): string => flexemr('status', '--routing', server.at('b')).stdout;
  expect(text()).toMatch(new RegExp(`^next +${planOf(fresh.routing)} from /new: .*The nodes load it`, 'm'));
  expect(text()).toContain('No node has a lease');
  revision = await store.replace(flip({ serving, next }), revision);
  await expect.poll(plans).toEqual([planOf(fresh.routing)]);
  expect(text()).toMatch(new RegExp(`^previous +${planOf(old.routing)} from /old: .*no ranker uses it`, 'm'));
  const [{ id }] = await store.rankers();
  expect(text()).toMatch(new RegExp(`^${id} .*${planOf(fresh.routing)}`, 'm'));
  expect(ranker.specs).toHaveLength(wholeNumbers.length);
});
