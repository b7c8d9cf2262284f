// Memory nodes that read their tables from a server: they read their own rows, and notice other rows than planned.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import {
  MemoryNodeHost,
  openRanker,
  openTables,
  type RoutingTable,
  type TableSource,
} from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { FaultyServer } from '../20.store/faulty-server.ts';
import { refused } from '../refusal.ts';
import { writeTables } from '../tables-file.ts';

const dim = 16;
const specs = [
  { name: 'a', rows: 9_000, dim, mode: 'sum' },
  { name: 'b', rows: 4_000, dim, mode: 'mean' },
] as const;
const indexed = { name: 'c', rows: 3_000, dim, mode: 'sum' } as const;
const ids = BigUint64Array.from({ length: indexed.rows }, (_, row) => BigInt(row) * 0x9e37_79b9n + 7n);
const nodes = ['n0', 'n1', 'n2'];

let folder: string;
let server: FaultyServer;
const pathOf = (name: string): string => join(folder, `${name}.safetensors`);
const urlOf = (name: string): string => `${server.url}/${name}.safetensors`;
/** The files: two with other rows, and one with an indexed table too. */
const files = { old: 1, new: 2, indexed: 3 } as const;
const content = new Map<string, Uint8Array>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-server-tables-'));
  for (const [name, value] of Object.entries(files)) {
    const tables = specs.map((spec) => ({
      spec,
      rows: Float32Array.from({ length: spec.rows * dim }, (_, i) => value * (i % 1000)),
    }));
    const more = {
      ...{ spec: indexed, ids },
      rows: Float32Array.from({ length: indexed.rows * dim }, (_, i) => i % 777),
    };
    await writeTables(pathOf(name), name === 'indexed' ? [...tables, more] : tables);
    content.set(`/${name}.safetensors`, new Uint8Array(await readFile(pathOf(name))));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  server = await FaultyServer.start(Object.fromEntries(content));
});
afterEach(() => server[Symbol.asyncDispose]());

async function planned(source: TableSource, known = true, verify = false): Promise<RoutingTable> {
  const tables = await plannedTables(source, undefined, verify);
  return planSharding({
    tables: known ? tables : tables.map(({ spec, indexed }) => ({ spec, indexed })),
    nodes: nodes.map((id) => ({ id })),
    split: 'row',
  }).routing;
}

const start = (
  routing: RoutingTable,
  node: string,
  tables: TableSource,
  verify = false,
): Promise<MemoryNodeHost> => MemoryNodeHost.start({ tables, routing, node, verify });

const bags = {
  a: { keys: [0, 1, 2999, 3000, 5999, 6000, 8999], lengths: [3, 4] },
  b: { keys: [0, 1333, 1334, 3999], lengths: [1, 3] },
};

/** Starts every node, and pools the bags. */
async function pooled(
  routing: RoutingTable,
  sources: readonly TableSource[],
  asked: Record<string, { keys: unknown; lengths: readonly number[] }> = bags,
): Promise<Record<string, Float32Array>> {
  const hosts: MemoryNodeHost[] = [];
  try {
    for (const [i, source] of sources.entries()) hosts.push(await start(routing, nodes[i], source));
    const reached = { ...routing, nodes: nodes.map((id, i) => ({ id, url: hosts[i].url })) };
    await using ranker = await openRanker({ routing: reached });
    const found = await ranker.lookup(asked as typeof bags);
    return Object.fromEntries([...found].map(([name, { values }]) => [name, values]));
  } finally {
    await Promise.all(hosts.map((host) => host.close()));
  }
}

async function locally(name: string, asked = bags): Promise<Record<string, Float32Array>> {
  await using tables = await openTables(pathOf(name));
  return Object.fromEntries([...(await tables.lookup(asked))].map(([table, { values }]) => [table, values]));
}

const headerBytes = (name: string): number => {
  const bytes = content.get(`/${name}.safetensors`) ?? new Uint8Array(8);
  return 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
};
const rowBytes = specs.reduce((sum, { rows }) => sum + rows * dim * 4, 0);

test('a plan reads the header alone, and each node its own rows and the header', async () => {
  const routing = await planned(urlOf('old'));
  expect(server.bytes).toBeLessThanOrEqual(headerBytes('old') + 32);
  let all = 0;
  for (const [i, node] of nodes.entries()) {
    server.forget();
    const own = routing.tables.flatMap(({ shards, spec }) =>
      shards.filter((shard) => shard.node === node).map(({ begin, end }) => (end - begin) * spec.dim * 4),
    );
    const ownBytes = own.reduce((sum, bytes) => sum + bytes, 0);
    expect(ownBytes).toBeGreaterThan(rowBytes / 4);
    await (await start(routing, nodes[i], urlOf('old'))).close();
    expect(server.bytes).toBeLessThanOrEqual(1.01 * (ownBytes + headerBytes('old')));
    expect(server.bytes).toBeGreaterThanOrEqual(ownBytes);
    all += ownBytes;
  }
  expect(all).toBe(rowBytes);
});

test('lookups give the bits of the file, for indexed tables too', async () => {
  const both = { ...bags, c: { keys: ids.slice(0, 50), lengths: [20, 30] } };
  const source = urlOf('indexed');
  const [found, own] = [
    await pooled(await planned(source), [source, source, source], both),
    await locally('indexed', both as never),
  ];
  expect(found).toEqual(own);
});

describe('rows other than planned', () => {
  const other = (): void => {
    server.files.set('/old.safetensors', content.get('/new.safetensors') ?? new Uint8Array());
    server.version = { etag: '"2"' };
  };

  test('are refused if the plan was made from the server', async () => {
    const routing = await planned(urlOf('old'));
    other();
    const error = await refused(() => start(routing, 'n1', urlOf('old')));
    expect(error).toMatchObject({ code: 'INVALID_ROUTING', field: 'tables', value: 'a' });
    expect(error.message).toMatch(/holds other rows than planned/);
  });

  test('are refused if the plan was made from a file', async () => {
    const routing = await planned(pathOf('old'));
    expect(await pooled(routing, [urlOf('old'), pathOf('old'), urlOf('old')])).toEqual(await locally('old'));
    expect(await refused(() => start(routing, 'n1', urlOf('new')))).toMatchObject({
      code: 'INVALID_ROUTING',
    });
  });

  test('cannot be told from the planned ones if the plan was made from a server, and the file is here', async () => {
    const routing = await planned(urlOf('old'));
    const error = await refused(() => start(routing, 'n0', pathOf('old')));
    expect(error).toMatchObject({ code: 'INVALID_ROUTING' });
    expect(error.message).toMatch(/use the file or the URL that was planned/);
  });

  test('are noticed by rankers if the plan has no digests', async () => {
    const routing = await planned(urlOf('old'), false);
    const hosts = [await start(routing, 'n0', urlOf('old'))];
    other();
    for (const node of ['n1', 'n2']) hosts.push(await start(routing, node, urlOf('old')));
    const reached = { ...routing, nodes: nodes.map((id, i) => ({ id, url: hosts[i].url })) };
    const error = await refused(async () => {
      await using ranker = await openRanker({ routing: reached });
      await ranker.lookup(bags);
    });
    expect(error).toMatchObject({ code: 'STALE_ROUTING' });
    await Promise.all(hosts.map((host) => host.close()));
  });

  test('are found by --verify, even if the server says that nothing has changed', async () => {
    const routing = await planned(urlOf('old'), true, true);
    await (await start(routing, 'n0', urlOf('old'), true)).close();
    server.files.set('/old.safetensors', content.get('/new.safetensors') ?? new Uint8Array());
    const error = await refused(() => start(routing, 'n0', urlOf('old'), true));
    expect(error).toMatchObject({ code: 'INVALID_ROUTING' });
  });
});

test('a file that changes while a node loads ends its start', async () => {
  const routing = await planned(urlOf('old'));
  server.forget();
  server.faultOf = (n) => (n === 3 ? { kind: 'changed' } : undefined);
  const error = await refused(() => start(routing, 'n2', urlOf('old')));
  expect(error).toMatchObject({ code: 'INVALID_FILE' });
  expect(error.message).toMatch(/"rows\.\d".*has changed since it was opened/);
});
