// `flexemr simulate` as a process.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ClusterReport } from '../../src/simulation/measure-cluster.ts';
import { done, flexemr, requestsFile, tablesFile } from './command.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-simulate-'));
const plan = join(dir, 'plan.json');
const costs = join(dir, 'costs.json');
const described = join(dir, 'requests.json');
afterAll(() => rmSync(dir, { recursive: true }));
done('plan', '--tables', tablesFile, '--nodes', '2', '--split', 'row', '--out', plan);
writeFileSync(described, JSON.stringify({ movies: { bagsPerRequest: 2 } }));
const load = ['--rate', '200', '--seconds', '0.5'];

test('recorded requests are simulated, with costs that are measured here', () => {
  const args = ['simulate', '--plan', plan, '--requests', requestsFile, ...load, '--kill', 'node1@0.25'];
  const report = done(...args) as unknown as ClusterReport;
  expect(report.lookups.answered).toBeGreaterThan(20);
  expect(report.lookups.failed).toBe(0);
  expect(report.afterDeaths?.partial).toBeGreaterThan(0);
  expect(report.nodes.map(({ node }) => node)).toEqual(['node0', 'node1']);
  expect(report.ifDead).toHaveLength(2);
  expect(report.costs.node.subrequest + report.costs.thread.read).toBeGreaterThan(0);
  // The same costs give the same report, as text for people too.
  writeFileSync(costs, JSON.stringify(report.costs));
  expect(done(...args, '--costs', costs)).toEqual(report);
  const { stdout } = flexemr(...args, '--costs', costs);
  expect(stdout).toMatch(/^lookups: \d+ answered/);
  expect(stdout).toContain('if a node dies');
});

test.for([
  [['--requests', requestsFile], 2, /give the load/],
  [['--requests', requestsFile, ...load, '--in-flight', '2'], 2, /cannot be used with/],
  [['--requests', requestsFile, ...load, '--kill', 'node9@1'], 1, /no node "node9"/],
  [['--requests', requestsFile, ...load, '--costs', plan], 1, /INVALID_OPTION: costs/],
  [['--requests', 'missing.safetensors', ...load], 1, /missing\.safetensors/],
  [['--requests', plan, ...load], 1, /INVALID_OPTION: loads/],
] as const)('%j is refused', ([args, code, said]) => {
  const ended = flexemr('simulate', '--plan', plan, ...args);
  expect(ended.stderr).toMatch(said);
  expect(ended.code).toBe(code);
});
