// deploy/compose.yaml: its schema, and what no schema knows.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { plan } from '../../src/cli/plan.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';
import { optionsOf } from '../80.cli/given-options.ts';
import { root } from '../rdma/vitest-run.ts';
import { composePath, inOrder, readCompose, type Service, servicesOf } from './compose-file.ts';
import { nodeBytes } from './node-bytes.ts';
import { composeProblem, readYaml, type Yaml } from './tools.ts';

const file = readCompose();
const services = servicesOf(file);
const ours = services.filter(({ image }) => image.startsWith('flexemr:'));
const named = (name: string): Service => services.find((service) => service.name === name) as Service;

describe('the schema of Compose', () => {
  test('accepts the file', () => expect(composeProblem(file)).toBeUndefined());

  test.for<[string, (file: Yaml) => void, RegExp]>([
    ['an unknown field', (it) => (it.services.ranker.comand = ['rank']), /comand/],
    ['a wrong type', (it) => (it.services.ranker.read_only = 1), /read_only.*boolean/],
    [
      'an unknown condition',
      (it) => (it.services['node-a'].depends_on.nats.condition = 'well'),
      /node-a\/depends_on/,
    ],
    ['a health check that is a number', (it) => (it.services.nats.healthcheck.test = 3), /healthcheck\/test/],
    ['a service that is a list', (it) => (it.services.plan = []), /services\/plan.*object/],
    ['an unknown section', (it) => (it.servces = {}), /servces/],
  ])('refuses %s', ([, change, problem]) => {
    const changed = structuredClone(file);
    change(changed);
    expect(composeProblem(changed)).toMatch(problem);
  });
});

test('flexemr knows every option of every command, and an unknown one is refused', () => {
  for (const { command } of ours) expect(() => optionsOf(command)).not.toThrow();
  expect(() => optionsOf([...named('node-a').command, '--headrom=1'])).toThrow(
    /unknown option '--headrom=1'/,
  );
  expect(() => optionsOf(named('plan').command.filter((word) => !word.startsWith('--tables')))).toThrow(
    /--tables/,
  );
});

test('the image has the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(new Set(ours.map(({ image }) => image))).toEqual(new Set([`flexemr:${version}`]));
});

test('the addresses of the plan are those where its nodes listen', () => {
  const { node: nodes } = optionsOf(named('plan').command) as { readonly node: readonly PlannedNode[] };
  const listening = ours
    .filter(({ command }) => command[0] === 'serve')
    .map(({ name, command }) => {
      const { node, port } = optionsOf(command);
      return { id: node, url: `http://${name}:${port}` };
    });
  expect(nodes.map(({ id, url }) => ({ id, url }))).toEqual(listening);
  const { publish } = optionsOf(named('plan').command);
  for (const { command } of ours) {
    const { publish: published, plan: followed, routing } = optionsOf(command);
    expect(published ?? followed ?? routing).toBe(publish);
  }
});

test('services wait for what they need; files, volumes and secrets exist', () => {
  expect(inOrder(services).map(({ name }) => name)).toEqual([
    'nats',
    'plan',
    'node-a',
    'node-b',
    'ranker',
    'prometheus',
  ]);
  for (const { mounts, secrets, after } of services) {
    expect(Object.keys(file.secrets)).toEqual(expect.arrayContaining([...secrets]));
    for (const { source } of mounts)
      expect(
        /^[./]/.test(source) ? existsSync(resolve(composePath, '..', source)) : source in file.volumes,
      ).toBe(true);
    // Who is waited for until he is well has a check that says so.
    for (const [other, condition] of after)
      expect(condition === 'service_healthy').toBe(named(other).health !== undefined);
  }
});

test('only health checks of paths that there are; published ports are those of servers, for this machine alone', () => {
  for (const { name, command, health, ports } of ours.filter(({ command }) => command[0] !== 'plan')) {
    const { port, host, tokenFile } = optionsOf(command);
    expect([name, health?.at(-1)]).toEqual([name, `http://127.0.0.1:${port}/readyz`]);
    expect({ host, tokenFile: tokenFile?.startsWith('/run/secrets/') }).toEqual({
      host: '0.0.0.0',
      tokenFile: true,
    });
    for (const published of ports) expect(published).toBe(`127.0.0.1:${port}:${port}`);
  }
});

test('containers cannot write to their root, and have no privileges and enough time to drain', () => {
  for (const [name, service] of Object.entries<Yaml>(file.services)) {
    const { read_only, cap_drop, security_opt, mem_limit, stop_grace_period } = service;
    expect([name, read_only, cap_drop, security_opt]).toEqual([
      name,
      true,
      ['ALL'],
      ['no-new-privileges:true'],
    ]);
    expect(mem_limit).toMatch(/^\d+[mg]$/);
    // drainMsMax, and the time to end.
    if (service.image.startsWith('flexemr:')) expect(stop_grace_period).toBe('20s');
  }
});

test('nodes have the memory that the planner and docs/operating.md say, and not much more', async () => {
  const { node, replicas, headroom } = optionsOf(named('plan').command) as {
    readonly node: PlannedNode[];
  } & ReturnType<typeof optionsOf>;
  const tables = join(root, 'examples/movielens/tables.safetensors');
  const { predicted } = await plan({ tables, node, replicas, headroom, split: 'auto' });
  for (const service of ours.filter(({ command }) => command[0] === 'serve')) {
    const own = optionsOf(service.command);
    const rows = predicted.nodes.find((each) => each.node === own.node)?.bytes ?? 0;
    const needed = rows * (1 + (own.headroom ?? 0)) + nodeBytes(own.workers ?? 1);
    expect(service.memoryBytes).toBeGreaterThan(needed);
    expect(service.memoryBytes).toBeLessThan(2 * needed);
  }
});

test('Prometheus asks every server, with its own token', () => {
  const [{ scrape_configs }] = readYaml(join(root, 'deploy/prometheus/prometheus.yml'));
  const asked = scrape_configs.flatMap(({ authorization, static_configs }: Yaml) =>
    static_configs.flatMap(({ targets }: Yaml) =>
      targets.map((target: string) => [target, authorization.credentials_file]),
    ),
  );
  const serving = ours
    .filter(({ command }) => command[0] !== 'plan')
    .map(({ name, command }) => [`${name}:${optionsOf(command).port}`, optionsOf(command).tokenFile]);
  expect(asked.sort()).toEqual(serving.sort());
});
