// Memory nodes read their tables from a real nginx: each its own rows and the headers, and nothing else.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, open, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import {
  MemoryNodeHost,
  openRanker,
  openTables,
  SafetensorsFile,
  writeSafetensors,
} from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { tableRequestBytesMax, tableRequestsMax } from '../../src/table-limits.ts';
import { flexemr } from '../80.cli/command.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { Nginx } from './nginx.ts';

const dim = 32;
const tables = [
  { name: 'large', rows: 60_000, dim, mode: 'sum', tensor: 'large.weight' },
  { name: 'small', rows: 20_001, dim, mode: 'mean', tensor: 'small.weight' },
] as const;
const nodes = ['n0', 'n1', 'n2'];
const bags = {
  large: { keys: [0, 19_999, 20_000, 39_999, 40_000, 59_999], lengths: [2, 4] },
  small: { keys: [0, 6_667, 13_334, 20_000], lengths: [3, 1] },
};

let nginx: Nginx;
beforeAll(async () => {
  nginx = await Nginx.start('mine');
  const tensors = tables.map(({ tensor: name, rows }) => {
    const data = Float32Array.from({ length: rows * dim }, (_, i) => (i % 1009) - 500);
    return { name, dtype: 'F32', shape: [rows, dim], data } as const;
  });
  const metadata = { tables: JSON.stringify(tables) };
  await writeSafetensors(join(nginx.root, 'tables.safetensors'), tensors, metadata);
  for (const [i, tensor] of tensors.entries())
    await writeSafetensors(
      join(nginx.root, `part-${i}.safetensors`),
      [tensor],
      i === 0 ? metadata : undefined,
    );
  const map = Object.fromEntries(tables.map(({ tensor }, i) => [tensor, `part-${i}.safetensors`]));
  await writeFile(join(nginx.root, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
});
afterAll(() => nginx[Symbol.asyncDispose]());

async function headerBytes(files: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const file of files) {
    await using opened = await open(join(nginx.root, file));
    const prefix = new BigUint64Array(1);
    await opened.read(new Uint8Array(prefix.buffer), 0, 8, 0);
    bytes += 8 + Number(prefix[0]);
  }
  return bytes;
}

test.for([
  ['tables.safetensors', ['tables.safetensors']],
  ['model.safetensors.index.json', ['part-0.safetensors', 'part-1.safetensors']],
] as const)(
  'a node with a third of %s reads at most 1.01 times its rows and the headers',
  async ([file, parts]) => {
    const url = `${nginx.url}/${file}`;
    const planned = await plannedTables(`${url}?plan`, undefined);
    const { routing } = planSharding({ tables: planned, nodes: nodes.map((id) => ({ id })), split: 'row' });
    const index = file.endsWith('.json') ? Buffer.byteLength(JSON.stringify({ weight_map: {} })) : 0;
    const headers = (await headerBytes(parts)) + index;
    const hosts: MemoryNodeHost[] = [];
    try {
      for (const node of nodes) {
        const own = routing.tables.flatMap(({ shards }) => shards.filter((shard) => shard.node === node));
        const rowBytes = own.reduce((sum, { begin, end }) => sum + (end - begin) * dim * 4, 0);
        const source = `${url}?${node}-${parts.length}`;
        hosts.push(await MemoryNodeHost.start({ tables: source, routing, node, workers: 2 }));
        const answers = await nginx.answered(`${node}-${parts.length}`, 2 * parts.length + own.length);
        const bytes = answers.reduce((sum, one) => sum + one.bytes, 0);
        expect(rowBytes).toBeGreaterThan(2_000_000);
        expect(bytes).toBeLessThanOrEqual(1.01 * (rowBytes + headers));
        expect(bytes).toBeGreaterThanOrEqual(rowBytes);
        for (const { uri, status } of answers) expect(status).toBe(uri.endsWith('.json') ? 200 : 206);
      }
      const reached = { ...routing, nodes: nodes.map((id, i) => ({ id, url: hosts[i].url })) };
      await using ranker = await openRanker({ routing: reached });
      await using local = await openTables(join(nginx.root, 'tables.safetensors'));
      const [found, wanted] = [await ranker.lookup(bags), await local.lookup(bags)];
      for (const name of ['large', 'small'] as const)
        expect(found.get(name)?.values).toEqual(wanted.get(name)?.values);
    } finally {
      await Promise.all(hosts.map((host) => host.close()));
    }
  },
);

test('a file that is replaced while it is open is refused', async () => {
  const replaced = join(nginx.root, 'replaced.safetensors');
  await copyFile(join(nginx.root, 'tables.safetensors'), replaced);
  await using file = await SafetensorsFile.open(`${nginx.url}/replaced.safetensors`);
  await file.readInto('small.weight', 0, new Uint8Array(1000));
  const next = `${replaced}.next`;
  await copyFile(replaced, next);
  await utimes(next, 1_000_000_000, 1_000_000_000);
  await rename(next, replaced);
  const error = await refused(() => file.readInto('small.weight', 0, new Uint8Array(1000)));
  expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'small.weight' });
  expect(error.message).toMatch(/has changed since it was opened/);
});

test('the command line reads with a token from a file, and says so if it has none', async () => {
  await mkdir(join(nginx.root, 'private'));
  await copyFile(join(nginx.root, 'tables.safetensors'), join(nginx.root, 'private/tables.safetensors'));
  const token = join(nginx.root, 'token');
  await writeFile(token, 'mine\n');
  const url = `${nginx.url}/private/tables.safetensors`;
  const inspected = flexemr('inspect', url, '--tables-token-file', token, '--json');
  expect(inspected).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(inspected.stdout)).toMatchObject({
    file: url,
    tables: [{ name: 'large' }, { name: 'small' }],
  });
  const out = join(nginx.root, 'plan.json');
  const args = ['plan', '--tables', url, '--nodes', '2', '--out', out];
  expect(flexemr(...args, '--tables-token-file', token)).toMatchObject({ code: 0, stderr: '' });
  const without = flexemr(...args);
  expect(without.code).toBe(1);
  expect(without.stderr).toMatch(
    /^flexemr: UNAUTHORIZED: .*HTTP 401\. Give a valid token \(--tables-token-file\)/,
  );
});

const child = `
  import { readFileSync } from 'node:fs';
  import { openTables, Tables } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
  const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  const [url, dtype] = process.argv.slice(1);
  await using warm = new Tables();
  await warm.add({ name: 't', rows: 1, dim: 1, mode: 'sum' }, { rows: Float32Array.of(1) });
  await warm.lookup({ t: { keys: [0], offsets: [0] } });
  const before = peak();
  await using tables = await openTables(url, { dtype });
  console.log(peak() - before);`;

test.runIf(process.platform === 'linux').for(['f32', 'int8'] as const)(
  'loading a large table as %s takes its kept bytes, the staging buffers if it is converted, and at most 128 MiB more',
  async (dtype) => {
    const rows = runs.largeTableBytes / 256;
    const spec = { name: 'hole', rows, dim: 64, mode: 'sum', tensor: 'hole' };
    const entry = { dtype: 'F32', shape: [rows, 64], data_offsets: [0, runs.largeTableBytes] };
    const header = JSON.stringify({ __metadata__: { tables: JSON.stringify([spec]) }, hole: entry });
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    await using file = await open(join(nginx.root, 'hole.safetensors'), 'w');
    await file.write(Buffer.concat([prefix, Buffer.from(header)]));
    await file.truncate(8 + header.length + runs.largeTableBytes);
    const args = ['--input-type=module', '-e', child, `${nginx.url}/hole.safetensors`, dtype];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const kept = rows * (dtype === 'f32' ? 256 : 68);
    const staged = dtype === 'f32' ? 0 : tableRequestsMax * tableRequestBytesMax;
    expect(Number(stdout)).toBeLessThanOrEqual(kept + staged + 128 * 2 ** 20);
    // The process has touched all of the memory, so the measurement is valid.
    expect(Number(stdout)).toBeGreaterThan(kept * 0.9);
  },
);
