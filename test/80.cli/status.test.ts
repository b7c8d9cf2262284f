// flexemr status, where the routing table is in a file or at an address.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprint, planText } from '../../src/plan/fingerprint.ts';
import { routingJson } from '../../src/plan/routing-json.ts';
import type { PlannedNode, RoutingTable } from '../../src/plan/routing-table.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';
import { main, Running, refused } from './command.ts';

let folder: string;
let cluster: Cluster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-status-'));
  cluster = await Cluster.start({
    tables: wholeNumbers,
    nodes: 2,
    split: 'row',
    security: { token: 'secret' },
  });
  await writeFile(join(folder, 'token'), 'secret');
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** The nodes are in this process, which must not wait for the command. */
async function status(routing: string, ...more: string[]): Promise<string> {
  const args = ['status', '--routing', routing, '--token-file', join(folder, 'token'), ...more];
  await using command = new Running([main, ...args]);
  const { code, stdout, stderr } = await command.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function written(routing: RoutingTable): Promise<string> {
  const file = join(folder, 'plan.json');
  await writeFile(file, routingJson(routing));
  return file;
}

const withNodes = (change: (node: PlannedNode, i: number) => PlannedNode): RoutingTable => {
  return { ...cluster.routing, nodes: cluster.routing.nodes.map(change) };
};

test('nodes that serve the plan', async () => {
  const file = await written(cluster.routing);
  const plan = planText(fingerprint(cluster.routing));
  const shards = cluster.routing.tables.reduce((sum, table) => sum + table.shards.length, 0);
  expect(JSON.parse(await status(file, '--json'))).toEqual({
    source: file,
    serving: { plan, nodes: 2, tables: wholeNumbers.length, shards, versions: [1] },
    nodes: cluster.routing.nodes.map(({ id, url }) => {
      return { node: id, url, answers: true, plan, releases: [{ plan, state: 'ready' }] };
    }),
  });
  const lines = (await status(file)).split('\n');
  expect(lines[0]).toBe(file);
  expect(lines).toContain(
    `serving   ${plan}: version 1, ${wholeNumbers.length} tables, ${shards} shards on 2 nodes`,
  );
  for (const { id, url } of cluster.routing.nodes)
    expect(lines.map((line) => line.split(/ {2,}/))).toContainEqual([
      id,
      url,
      '–',
      'yes',
      plan,
      '–',
      `${plan} ready`,
      '–',
      '–',
      '–',
    ]);
});

test('a plan at an address', async () => {
  const server = createServer((_, response) => response.end(routingJson(cluster.routing)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/plan.json`;
  expect(await status(url)).toMatch(/^n1 .* yes /m);
  server.close();
});

test.for<[string, (node: PlannedNode, i: number) => PlannedNode, RegExp]>([
  [
    'does not answer',
    (node, i) => (i === 0 ? node : { ...node, url: 'http://127.0.0.1:9' }),
    /^n1: .*cannot be reached/m,
  ],
  ['is another', (node) => ({ ...node, url: cluster.routing.nodes[0].url }), /^n1: node n0 answers there$/m],
  [
    'has no address',
    ({ id }, i) => ({ id, url: i === 0 ? cluster.routing.nodes[0].url : undefined }),
    /^n1: .*no url/m,
  ],
])('a node that %s', async ([, change, problem]) => {
  const text = await status(await written(withNodes(change)));
  expect(text).toMatch(/^n0 .* yes /m);
  expect(text).toMatch(/^n1 .* no /m);
  expect(text).toMatch(problem);
});

test('a plan that cannot be read', () => {
  refused(['status', '--routing', join(folder, 'absent')], 1, /INVALID_FILE/);
  refused(['status'], 2, /--routing/);
});
