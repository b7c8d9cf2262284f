// deploy/kubernetes: schemas, and what no schema knows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { drainMsMax } from '../../src/limits.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';
import { type Given, optionsOf } from '../80.cli/given-options.ts';
import { root } from '../rdma/vitest-run.ts';
import { commandOf, containerOf, misfits, readManifests, workloadsOf } from './manifests.ts';
import { nodeBytes } from './node-bytes.ts';
import { type Peer, reaches } from './reachability.ts';
import { kubernetesProblem, type Yaml } from './tools.ts';
import { typeProblems } from './unknown-fields.ts';

const objects = readManifests();
const find = (among: readonly Yaml[], kind: string, name: string): Yaml =>
  among.find((object) => object.kind === kind && object.metadata.name === name);
const nodes = find(objects, 'StatefulSet', 'node');
const rankers = find(objects, 'Deployment', 'ranker');
const job = find(objects, 'Job', 'plan');
const given = (workload: Yaml, replica?: number): Given => optionsOf(commandOf(workload, objects, replica));

describe('the schemas of Kubernetes', () => {
  test.for(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    'accept %s',
    async ([, object]) => {
      expect(await kubernetesProblem(object)).toBeUndefined();
    },
  );

  test.for<[string, Yaml, (object: Yaml) => void, RegExp]>([
    ['a wrong type', nodes, (it) => Object.assign(it.spec, { replicas: 'three' }), /replicas.*integer/],
    ['a missing selector', nodes, (it) => Object.assign(it.spec, { selector: undefined }), /selector/],
    [
      'a port that is a list',
      find(objects, 'Service', 'ranker'),
      (it) => it.spec.ports.push({ port: [80] }),
      /port/,
    ],
    ['an unknown version', job, (it) => Object.assign(it, { apiVersion: 'batch/v9' }), /batch\/v9/],
    ['an unknown kind', job, (it) => Object.assign(it, { kind: 'Jop' }), /no Jop/],
  ])('refuse %s', async ([, object, change, problem]) => {
    const changed = structuredClone(object);
    change(changed);
    expect(await kubernetesProblem(changed)).toMatch(problem);
  });
});

test('there are no unknown fields, and they would be found', () => {
  const changed = [structuredClone(nodes), structuredClone(rankers), structuredClone(job)];
  Object.assign(changed[0], { sepc: {} });
  Object.assign(containerOf(changed[1]), { readinesProbe: {} });
  Object.assign(changed[2].spec.template.spec.securityContext, { runAsNonRot: true });
  const problems = typeProblems([...objects, ...changed]);
  expect(problems.slice(0, objects.length)).toEqual(objects.map(() => ''));
  expect(problems.slice(objects.length)).toEqual(
    ['sepc', 'readinesProbe', 'runAsNonRot'].map((name) => expect.stringContaining(`"${name}"`)),
  );
});

describe('what fits together', () => {
  test('selectors, ports, probes, volumes', () => expect(misfits(objects)).toEqual([]));

  test.for<[kind: string, name: string, change: (object: Yaml) => void, problem: string]>([
    [
      'StatefulSet',
      'node',
      (it) => Object.assign(it.spec.template.metadata, { labels: {} }),
      'selects other pods than its own',
    ],
    [
      'StatefulSet',
      'node',
      (it) => Object.assign(it.spec, { serviceName: 'x' }),
      'there is no headless Service x',
    ],
    [
      'StatefulSet',
      'node',
      (it) => Object.assign(containerOf(it).livenessProbe.httpGet, { path: '/x' }),
      'livenessProbe asks for /x',
    ],
    [
      'StatefulSet',
      'node',
      (it) => Object.assign(containerOf(it).livenessProbe.httpGet, { port: 'x' }),
      'livenessProbe asks the port x',
    ],
    [
      'Service',
      'ranker',
      (it) => Object.assign(it.spec.ports[0], { targetPort: 'x' }),
      'no container has the port x',
    ],
    ['Service', 'ranker', (it) => Object.assign(it.spec, { selector: { app: 'x' } }), 'selects no pods'],
    [
      'Deployment',
      'ranker',
      (it) => Object.assign(containerOf(it).volumeMounts[0], { name: 'x' }),
      'there is no volume x',
    ],
    [
      'PodDisruptionBudget',
      'nodes',
      (it) => Object.assign(it.spec.selector, { matchLabels: { app: 'x' } }),
      'does not select one workload',
    ],
    [
      'NetworkPolicy',
      'nats',
      (it) => Object.assign(it.spec.podSelector, { matchLabels: { app: 'x' } }),
      'selects no pods',
    ],
  ])('a %s %s that does not fit is found: %#', ([kind, name, change, problem]) => {
    const changed = structuredClone(objects);
    change(find(changed, kind, name));
    expect(misfits(changed)).toContain(`${kind} ${name}: ${problem}`);
  });
});

test('flexemr knows all options, and all use one cluster', () => {
  const { publish } = given(job);
  expect(publish).toBe('nats://flexemr:secret-nats-password@nats:4222/flexemr');
  expect([given(nodes).plan, given(rankers).routing]).toEqual([publish, publish]);
  const { args } = containerOf(find(objects, 'StatefulSet', 'nats'));
  expect(args.join(' ')).toMatch(/^-js -sd \/data .*--user flexemr --pass \$\(NATS_PASSWORD\)$/);
});

test('the addresses of the plan are the names of the pods of the StatefulSet', () => {
  const { node, headroom, replicas } = given(job);
  const pods = Array.from({ length: nodes.spec.replicas }, (_, i) => {
    const { node: id, port } = given(nodes, i);
    return { id, url: `http://${nodes.metadata.name}-${i}.${nodes.spec.serviceName}:${port}` };
  });
  expect((node as readonly PlannedNode[]).map(({ id, url }) => ({ id, url }))).toEqual(pods);
  expect(headroom).toBe(given(nodes).headroom);
  // One node may be away, so that every row must be on another one too.
  expect(find(objects, 'PodDisruptionBudget', 'nodes').spec.maxUnavailable).toBe((replicas ?? 1) - 1);
});

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const workload of [nodes, rankers, job])
    expect(containerOf(workload).image).toBe(`flexemr:${version}`);
});

test('a node has memory for what its plan may give it, and a port for each worker', () => {
  const { limits, requests } = containerOf(nodes).resources;
  const { workers = 1, port = 0 } = given(nodes);
  expect(limits.memory).toBe(requests.memory);
  const bytes = Number.parseInt(limits.memory, 10) * 2 ** 20;
  // The capacity has the room for the next release.
  const needed = (given(job).capacity ?? 0) + nodeBytes(workers);
  expect(bytes).toBeGreaterThan(needed);
  expect(bytes).toBeLessThan(1.1 * needed);
  expect(containerOf(nodes).ports.map(({ containerPort }: Yaml) => containerPort)).toEqual(
    Array.from({ length: workers }, (_, i) => port + i),
  );
});

test('pods have time to drain, no root and nothing to write to', () => {
  for (const workload of workloadsOf(objects)) {
    const { securityContext, terminationGracePeriodSeconds = 30 } = workload.spec.template.spec;
    const container = containerOf(workload);
    const before = container.lifecycle?.preStop.sleep.seconds ?? 0;
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(before + drainMsMax / 1_000 + 5);
    expect(securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ['ALL'] },
    });
    expect(container.resources.limits.memory).toBe(container.resources.requests.memory);
  }
  expect(rankers.spec.strategy.rollingUpdate.maxUnavailable).toBe(0);
});

test('the command in docs/deployment.md makes every secret that is used', () => {
  const text = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
  const made = [...text.matchAll(/--from-literal=([\w-]+)=/g)].map(([, name]) => name).sort();
  const used = workloadsOf(objects).flatMap((workload) => {
    const { volumes = [] } = workload.spec.template.spec;
    const items = volumes.flatMap(({ secret }: Yaml) => secret?.items.map(({ key }: Yaml) => key) ?? []);
    const env = (containerOf(workload).env ?? []).flatMap(
      ({ valueFrom }: Yaml) => valueFrom?.secretKeyRef?.key ?? [],
    );
    return [...items, ...env];
  });
  expect([...new Set(used)].sort()).toEqual(made);
  for (const file of [given(nodes).tokenFile, given(rankers).tokenFile, given(rankers).nodesTokenFile])
    expect(file).toMatch(/^\/run\/secrets\/flexemr\/(nodes|clients)-token$/);
});

describe('the network', () => {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const pod = (app: string): Peer => ({ labels: { app }, namespace: 'flexemr' });
  const peers: Readonly<Record<string, Peer>> = {
    nats: pod('flexemr-nats'),
    node: pod('flexemr-node'),
    ranker: pod('flexemr-ranker'),
    operator: pod('flexemr-operator'),
    stranger: pod('other'),
    client: { labels: { 'flexemr-client': 'true' }, namespace: 'shop' },
    prometheus: { labels: { app: 'prometheus' }, namespace: 'monitoring' },
    elsewhere: { labels: { app: 'flexemr-ranker' }, namespace: 'shop' },
    dns: { labels: {}, namespace: 'kube-system' },
    internet: { labels: {}, namespace: '', outside: true },
  };
  const ports = [53, 80, 443, 4100, 4101, 4102, 4222, 8080, 8222];
  /** All that is allowed of what touches our namespace. */
  const matrix = (among: readonly Yaml[]): string[] =>
    Object.entries(peers).flatMap(([from, source]) =>
      Object.entries(peers)
        .filter(
          ([to, target]) => to !== from && [source, target].some(({ namespace }) => namespace === 'flexemr'),
        )
        .flatMap(([to, target]) =>
          ports.filter((port) => reaches(among, source, target, port)).map((port) => `${from} ${to} ${port}`),
        ),
    );
  const wanted = [
    ...['node', 'ranker', 'operator'].flatMap((from) => [`${from} nats 4222`, `${from} dns 53`]),
    ...['ranker', 'operator'].flatMap((from) => [`${from} node 4100`, `${from} node 4101`]),
    // Tables at a URL: also of a server in the cluster, which has an address too.
    ...['node', 'operator'].flatMap((from) =>
      ['internet', 'client', 'prometheus', 'elsewhere', 'dns'].map((to) => `${from} ${to} 443`),
    ),
    ...['client', 'prometheus'].map((from) => `${from} ranker 8080`),
    'prometheus node 4100',
  ];

  test('allows what is needed, and nothing else', () => {
    expect(matrix(policies).sort()).toEqual(wanted.sort());
    expect(reaches(policies, peers.node, peers.dns, 53, 'UDP')).toBe(true);
  });

  test.for(policies.map(({ metadata }) => metadata.name))('is another one without the policy %s', (name) => {
    const others = policies.filter(({ metadata }) => metadata.name !== name);
    expect(matrix(others).sort()).not.toEqual(wanted.sort());
  });
});
