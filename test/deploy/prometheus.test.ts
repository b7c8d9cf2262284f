// deploy/prometheus: promtool accepts it, every rule is of metrics that there are, and alerts come when they should.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { root } from '../rdma/vitest-run.ts';
import { chartsOf } from './charts.ts';
import { deploy, readYaml, type Yaml } from './tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'flexemr-prometheus-'));
afterAll(() => rmSync(folder, { recursive: true }));
cpSync(join(deploy, 'prometheus'), folder, { recursive: true });
cpSync(join(import.meta.dirname, 'alerts.yml'), join(folder, 'alerts.yml'));

const rules = readFileSync(join(folder, 'rules.yml'), 'utf8');
const all: readonly Yaml[] = readYaml(join(folder, 'rules.yml'))[0].groups.flatMap(
  (group: Yaml) => group.rules,
);

function promtool(...args: string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', cwd: folder });
  return { code: status, said: stdout + stderr };
}

test('promtool accepts the configuration, and refuses another', () => {
  const text = readFileSync(join(folder, 'prometheus.yml'), 'utf8');
  for (const name of ['clients-token', 'nodes-token']) writeFileSync(join(folder, name), 'token');
  writeFileSync(join(folder, 'prometheus.yml'), text.replaceAll('/run/secrets', folder));
  expect(promtool('check', 'config', 'prometheus.yml')).toMatchObject({ code: 0 });
  writeFileSync(join(folder, 'wrong.yml'), text.replace('scrape_interval', 'scrape_intervall'));
  expect(promtool('check', 'config', 'wrong.yml')).toMatchObject({ code: 1 });
});

test('each alert comes when it should, and not for others', () => {
  expect(promtool('test', 'rules', 'alerts.yml')).toMatchObject({ code: 0 });
  const tested = [...readFileSync(join(folder, 'alerts.yml'), 'utf8').matchAll(/alertname: (\w+)/g)].map(
    ([, name]) => name,
  );
  expect(tested).toEqual(all.flatMap(({ alert }) => alert ?? []));
  // An alert that does not wait is another one.
  writeFileSync(join(folder, 'rules.yml'), rules.replace('== 0\n        for: 30s', '== 1\n        for: 30s'));
  expect(promtool('test', 'rules', 'alerts.yml')).toMatchObject({ code: 1 });
  writeFileSync(join(folder, 'rules.yml'), rules);
});

test('rules are of metrics that docs/operating.md lists, and charts are of rules', () => {
  const documented = new Set(
    [...readFileSync(join(root, 'docs/operating.md'), 'utf8').matchAll(/^\| `(flexemr_\w+)`/gm)].map(
      ([, name]) => name,
    ),
  );
  const used = [...rules.matchAll(/\b(flexemr_[a-z_]+)\b/g)].map(([, name]) => name);
  const base = used.map((name) => (documented.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')));
  expect(base.filter((name) => !documented.has(name))).toEqual([]);
  const recorded = all.flatMap(({ record }) => record ?? []);
  const charts = chartsOf(readFileSync(join(folder, 'consoles/flexemr.html'), 'utf8'));
  expect(charts.flatMap(({ lines }) => Object.values(lines)).sort()).toEqual(recorded.sort());
});
