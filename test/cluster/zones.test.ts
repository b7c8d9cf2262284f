// Nodes say in which zone they are, and rebalance puts replicas into different ones.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ClusterStatus } from '../../src/host/cluster-status.ts';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { done, flexemr, refused, served } from '../80.cli/command.ts';
import { writeVersion } from '../82.cluster/versioned.ts';
import { freePorts, NatsServer } from './nats-server.ts';

const zones = { a: 'east', b: 'east', c: 'west' } as const;
const names = Object.keys(zones) as (keyof typeof zones)[];

test('a plan takes the zones that nodes say', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-zones-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await using server = await NatsServer.start();
  const truth = server.at('flexemr');
  const tables = join(folder, '1.safetensors');
  await writeVersion(tables, 1);
  const ports = await freePorts(names.length);
  const nodes = names.flatMap((name, i) => ['--node', `${name}=http://127.0.0.1:${ports[i]}`]);
  const how = ['--replicas', '2', '--split', 'row'];
  done('plan', '--tables', tables, ...nodes, ...how, '--publish', truth);
  const start = async (i: number, zone: string) =>
    await served(
      ...['--tables', tables, '--plan', truth, '--node', names[i]],
      ...['--port', String(ports[i]), '--zone', zone],
    );
  const started = await Promise.all(names.map((name, i) => start(i, zones[name])));
  onTestFinished(async () => {
    for (const { node } of started) await node[Symbol.asyncDispose]();
  });
  const found = (): [string, string | undefined][] =>
    (done('status', '--routing', truth) as unknown as ClusterStatus).nodes.map(({ node, zone }) => [
      node,
      zone,
    ]);
  await expect.poll(found).toEqual(Object.entries(zones));

  done('rebalance', '--routing', truth, ...nodes, ...how);
  const store = await NatsCluster.open(truth);
  onTestFinished(() => store.close());
  const { routing } = (await store.read()).cluster.serving;
  expect(routing.nodes.map(({ id, zone }) => [id, zone])).toEqual(Object.entries(zones));
  // The only zone beside a's and b's is c's.
  for (const { shards } of routing.tables)
    for (const { node, replicas = [] } of shards) expect([node, ...replicas]).toContain('c');
  refused(
    ['rebalance', '--routing', truth, ...nodes, '--replicas', '3'],
    1,
    /INVALID_OPTION: .*2 zones cannot hold 3/,
  );
  // What is given goes first.
  const given = nodes.map((word, i) => (i % 2 === 1 ? `${word},zone=z${i}` : word));
  done('rebalance', '--routing', truth, ...given, '--replicas', '3');
  expect((await store.read()).cluster.serving.routing.nodes.map(({ zone }) => zone)).toEqual([
    'z1',
    'z3',
    'z5',
  ]);
  expect(flexemr('status', '--routing', truth).stdout).toMatch(
    /^c: the plan has it in zone z5, but it says that it is in west: flexemr rebalance$/m,
  );
});
