// `flexemr plan` as a process: its streams, its exit code and its file.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/index.ts';
import { nodesMax } from '../../src/limits.ts';
import { planSharding, type ShardingPlan } from '../../src/plan/planner.ts';
import type { TableLoads } from '../../src/plan/prediction.ts';
import { parseRouting, routingJson } from '../../src/plan/routing-json.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';
import type { RowDtype } from '../../src/plan/table-spec.ts';
import { planTables } from '../../src/store/load.ts';

const root = new URL('../../', import.meta.url).pathname;
const tablesFile = join(root, 'examples/movielens/tables.safetensors');
const requestsFile = join(root, 'examples/movielens/requests.safetensors');
const dir = mkdtempSync(join(tmpdir(), 'flexemr-plan-'));
const out = join(dir, 'plan.json');
beforeEach(() => rmSync(out, { force: true }));
afterAll(() => rmSync(dir, { recursive: true }));

function plan(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = [join(root, 'src/cli/main.ts'), 'plan', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', cwd: dir });
  return { code: status, stdout, stderr };
}

/** Runs a plan that must succeed. @returns its output */
function done(...args: string[]): string {
  const { code, stdout, stderr } = plan('--tables', tablesFile, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function withFile<T>(path: string, work: (file: SafetensorsFile) => T | Promise<T>): Promise<T> {
  await using file = await SafetensorsFile.open(path);
  return await work(file);
}

/** @returns the plan of the library for the same file */
async function byLibrary(
  nodes: readonly PlannedNode[],
  split: 'table' | 'row' | 'auto',
  options: { readonly loads?: TableLoads; readonly dtype?: RowDtype } = {},
): Promise<ShardingPlan> {
  const tables = await plannedTables(tablesFile, options.dtype);
  return planSharding({ tables, nodes, split, loads: options.loads });
}

const node = (id: string, more: Partial<PlannedNode> = {}): PlannedNode => ({ id, ...more });

describe('plan', () => {
  test('prints a line for each node and a total, and writes the routing table', async () => {
    const { routing, predicted } = await byLibrary([node('node0'), node('node1'), node('node2')], 'row');
    const lines = done('--nodes', '3', '--split', 'row', '--out', out).trimEnd().split('\n');
    expect(lines[0].split(/ {2,}/)).toEqual(['node', 'tables', 'shards', 'MiB', 'reply bytes', 'work']);
    for (const [i, own] of predicted.nodes.entries()) {
      const cells = [
        own.node,
        own.tables,
        own.shards,
        (own.bytes / 2 ** 20).toFixed(2),
        own.replyBytes.toFixed(1),
      ];
      expect(lines[i + 1].split(/ {2,}/).slice(0, 5)).toEqual(cells.map(String));
    }
    expect(lines[4]).toMatch(/^total +13 +39 /);
    expect(lines[4]).toContain(predicted.replyBytes.toFixed(1));
    expect(lines[5]).toContain(`balance ${predicted.balance.toFixed(2)}`);
    expect(lines.length).toBe(6);
    expect(readFileSync(out, 'utf8')).toBe(routingJson(routing));
    expect(readdirSync(dir)).toEqual(['plan.json']);
  });

  test('splits at the lowest cost by default; with --json it prints the routing table and writes no file', async () => {
    const { routing, predicted } = await byLibrary([node('node0'), node('node1')], 'auto');
    const { routing: printed, ...rest } = JSON.parse(done('--nodes', '2', '--json'));
    expect(rest).toEqual(predicted);
    expect(parseRouting(JSON.stringify(printed), 'stdout')).toEqual(routing);
    expect(existsSync(out)).toBe(false);
  });

  test('takes URLs and capacities of nodes, and a capacity for the other nodes', async () => {
    const nodes = [
      node('a', { url: 'http://10.0.0.1:7000', bytes: 6_000_000 }),
      node('b', { url: 'https://b.example/x?y=1', bytes: 9_000_000 }),
    ];
    const given = ['--node', 'a=http://10.0.0.1:7000,6000000', '--node', 'b=https://b.example/x?y=1'];
    done(...given, '--capacity', '9000000', '--split', 'table', '--out', out);
    expect(parseRouting(readFileSync(out, 'utf8'), out)).toEqual((await byLibrary(nodes, 'table')).routing);
  });

  test('marks tables whose rows change: all of them, or those that are named', async () => {
    const updated = (): (string | undefined)[] =>
      parseRouting(readFileSync(out, 'utf8'), out).tables.map(({ spec, updates }) => updates && spec.name);
    const names = await withFile(tablesFile, (file) => planTables(file).map(({ spec }) => spec.name));
    done('--nodes', '2', '--updates', '--out', out);
    expect(updated()).toEqual(names);
    done('--nodes', '2', '--updates', names[1], names[3], '--out', out);
    expect(updated()).toEqual(names.map((name, i) => (i === 1 || i === 3 ? name : undefined)));
    const { code, stderr } = plan('--tables', tablesFile, '--nodes', '2', '--updates', 'absent');
    expect(code).not.toBe(0);
    expect(stderr).toContain('there is no table absent');
  });

  test('measures keys per bag in requests', async () => {
    const tables = await withFile(tablesFile, (file) => planTables(file).map(({ spec }) => spec.name));
    const loads = await withFile(requestsFile, ({ tensors }) => {
      const keys = (i: number): number => tensors.get(`indices_${String(i).padStart(2, '0')}`)?.shape[0] ?? 0;
      return Object.fromEntries(tables.map((name, i) => [name, { keysPerBag: keys(i) / 200 }]));
    });
    const { predicted } = await byLibrary([node('node0'), node('node1'), node('node2')], 'auto', { loads });
    const { routing: _, ...rest } = JSON.parse(done('--nodes', '3', '--requests', requestsFile, '--json'));
    expect(rest).toEqual(predicted);
    expect(rest.workBytes).toBeGreaterThan(13 * 128);
  });

  test('plans rows in the dtype of --dtype', async () => {
    const { routing } = await byLibrary([node('node0')], 'table', { dtype: 'int8' });
    done('--nodes', '1', '--dtype', 'int8', '--out', out);
    expect(readFileSync(out, 'utf8')).toBe(routingJson(routing));
    expect(routing.tables[0].spec.dtype).toBe('int8');
  });

  test('cuts indexed tables by hash', async () => {
    const file = join(dir, 'indexed.safetensors');
    const rows = { name: 'rows', dtype: 'F32' as const, shape: [4, 2], data: new Float32Array(8) };
    const ids = { name: 'ids', dtype: 'U64' as const, shape: [4], data: BigUint64Array.of(1n, 2n, 3n, 4n) };
    const listed = { name: 't', rows: 4, dim: 2, mode: 'sum', tensor: 'rows', ids: 'ids' };
    await writeSafetensors(file, [rows, ids], { tables: JSON.stringify([listed]) });
    const { code, stdout } = plan('--tables', file, '--nodes', '2', '--split', 'row', '--json');
    rmSync(file);
    expect(code).toBe(0);
    const [table] = JSON.parse(stdout).routing.tables;
    expect(table).toMatchObject({ name: 't', indexed: true, version: 1 });
    expect(table.shards.map(({ end }: { end: number }) => end)).toEqual([2 ** 31, 2 ** 32]);
  });
});

type Fault = readonly [what: string, args: readonly string[], code: number, complaint: RegExp];
const faults: Fault[] = [
  ['no nodes', [], 2, /--nodes <n>, or --node/],
  ['both a number of nodes and nodes', ['--nodes', '2', '--node', 'a=http://a'], 2, /cannot be used with/],
  ['zero nodes', ['--nodes', '0'], 2, /integer from 1 to/],
  ['too many nodes', ['--nodes', String(nodesMax + 1)], 2, /integer from 1 to 1024/],
  ['a node without an address', ['--node', 'a'], 2, /id=url/],
  ['an address of another scheme', ['--node', 'a=ftp://a'], 2, /id=url/],
  ['an address that is not a URL', ['--node', 'a=http://a b'], 1, /INVALID_ROUTING.*nodes\[0\]\.url/],
  ['two nodes of one id', ['--node', 'a=http://a', '--node', 'a=http://b'], 1, /INVALID_ROUTING.*"a"/],
  ['an unknown split', ['--nodes', '2', '--split', 'column'], 2, /table, row, auto/],
  ['half a byte', ['--nodes', '2', '--capacity', '1.5'], 2, /bytes/],
  ['too little capacity', ['--nodes', '2', '--capacity', '1000'], 1, /OUT_OF_MEMORY.*8299312 too few/],
  ['a missing file of requests', ['--nodes', '2', '--requests', 'nowhere'], 1, /INVALID_FILE.*nowhere/],
  ['requests of other tables', ['--nodes', '2', '--requests', tablesFile], 1, /INVALID_FILE.*indices_00/],
  [
    'a file that cannot be written',
    ['--nodes', '2', '--out', 'no/plan.json'],
    1,
    /INVALID_FILE.*no\/plan\.json/,
  ],
];

describe('a plan that fails', () => {
  test.for(faults)('%s', ([, args, code, complaint]) => {
    const found = plan('--tables', tablesFile, '--out', out, ...args);
    expect(found).toMatchObject({ code, stdout: '' });
    expect(found.stderr).toMatch(complaint);
    expect(found.stderr).toMatch(/^flexemr: [^\n]*\n$/);
    expect(existsSync(out)).toBe(false);
  });

  test('a file without tables', () => {
    writeFileSync(join(dir, 'none'), 'nothing');
    expect(plan('--tables', 'none', '--nodes', '2')).toMatchObject({ code: 1, stdout: '' });
    rmSync(join(dir, 'none'));
  });
});
