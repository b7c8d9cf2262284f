// Nodes load different files with one plan. The nodes or the rankers refuse that, so results never mix files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { FlexemrError, MemoryNodeHost, openRanker, type RoutingTable } from '../../src/index.ts';
import { planSharding, type Split } from '../../src/plan/planner.ts';
import { writeTables } from '../tables-file.ts';

const rows = 90;
const dim = 4;
/** The value of every row of a file. */
const files = { old: 1, new: 1000 } as const;
type File = keyof typeof files;

let folder: string;
const pathOf = (file: File): string => join(folder, `${file}.safetensors`);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-content-'));
  for (const file of Object.keys(files) as File[])
    await writeTables(
      pathOf(file),
      ['a', 'b', 'c'].map((name) => ({
        spec: { name, rows, dim, mode: 'sum' as const },
        rows: new Float32Array(rows * dim).fill(files[file]),
      })),
    );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ids = ['n0', 'n1', 'n2'];
const mixtures: File[][] = Array.from({ length: 8 }, (_, bits) =>
  ids.map((_, i) => ((bits >> i) & 1 ? 'new' : 'old')),
);

/** Makes a plan for the old file. @param known whether the plan has the digests of its tables */
async function planned(split: Split, known: boolean): Promise<RoutingTable> {
  const tables = await plannedTables(pathOf('old'), undefined);
  return planSharding({
    tables: known ? tables : tables.map(({ spec, indexed }) => ({ spec, indexed })),
    nodes: ids.map((id) => ({ id })),
    split,
  }).routing;
}

/** Every node has a part of these bags. */
const bags = Object.fromEntries(
  ['a', 'b', 'c'].map((name) => [name, { keys: [0, 30, 31, 60, 61, 62, 89], offsets: [0] }]),
);

/** @returns the file of which all values of a lookup are, or the code of the error */
async function outcome(routing: RoutingTable, transport: 'stream' | 'http'): Promise<string> {
  try {
    await using ranker = await openRanker({ routing, transport });
    const pooled = await ranker.lookup(bags);
    const values = [...pooled.values()].flatMap((feature) => [...feature.values]);
    const all = Object.entries(files).find(([, value]) => values.every((sum) => sum === 7 * value));
    return all ? `all ${all[0]}` : `a mixture: ${values}`;
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return (error as FlexemrError).code;
  }
}

async function start(routing: RoutingTable, loaded: readonly File[]): Promise<MemoryNodeHost[]> {
  const starting = ids.map((node, i) => MemoryNodeHost.start({ tables: pathOf(loaded[i]), routing, node }));
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((one) => one.status === 'rejected');
  const nodes = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (failed === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.close()));
  throw failed.reason;
}

function reached(routing: RoutingTable, nodes: readonly MemoryNodeHost[]): RoutingTable {
  return { ...routing, nodes: routing.nodes.map((node, i) => ({ ...node, url: nodes[i].url })) };
}

describe.for(['table', 'row'] as const)('%s-wise', (split) => {
  test.for(mixtures)('a plan with digests, over nodes with the files %s, %s and %s', async (loaded) => {
    const routing = await planned(split, true);
    if (loaded.includes('new')) {
      const refusal = await start(routing, loaded).catch((error: FlexemrError) => error);
      expect(refusal).toMatchObject({ code: 'INVALID_ROUTING' });
      const [content] = routing.tables.map((table) => table.content);
      expect((refusal as FlexemrError).message).toMatch(/content [0-9a-f]{32}, planned [0-9a-f]{32}/);
      expect(content).toMatch(/^[0-9a-f]{32}$/);
      return;
    }
    const nodes = await start(routing, loaded);
    for (const transport of ['stream', 'http'] as const)
      expect(await outcome(reached(routing, nodes), transport)).toBe('all old');
    await Promise.all(nodes.map((node) => node.close()));
  });

  test.for(mixtures)('a plan without digests, over nodes with the files %s, %s and %s', async (loaded) => {
    const routing = await planned(split, false);
    const nodes = await start(routing, loaded);
    const wanted = new Set(loaded).size === 1 ? `all ${loaded[0]}` : 'STALE_ROUTING';
    for (const transport of ['stream', 'http'] as const)
      expect(await outcome(reached(routing, nodes), transport)).toBe(wanted);
    await Promise.all(nodes.map((node) => node.close()));
  });
});

test('frames for the plan of one file are stale for nodes that serve another file', async () => {
  const old = await planned('row', true);
  const tables = await plannedTables(pathOf('new'), undefined);
  const fresh = planSharding({ tables, nodes: ids.map((id) => ({ id })), split: 'row' }).routing;
  const nodes = await Promise.all(
    ids.map((node) => MemoryNodeHost.start({ tables: pathOf('new'), routing: fresh, node })),
  );
  for (const transport of ['stream', 'http'] as const) {
    expect(await outcome(reached(old, nodes), transport)).toBe('STALE_ROUTING');
    expect(await outcome(reached(fresh, nodes), transport)).toBe('all new');
  }
  await Promise.all(nodes.map((node) => node.close()));
});
