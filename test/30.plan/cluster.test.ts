import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  abort,
  begin,
  type Cluster,
  clusterJson,
  end,
  flip,
  parseCluster,
  type Release,
} from '../../src/plan/cluster.ts';
import { nextPlan, nextVersion } from '../../src/plan/next-release.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { refusal } from '../refusal.ts';

const nodes = [{ id: 'a', url: 'http://127.0.0.1:1' }, { id: 'b' }];

function release(version: number, rows = 100, tables?: string): Release {
  const given = ['t', 'u'].map((name) => ({
    spec: { name, rows, dim: 4, mode: 'sum' as const },
    version,
    content: String(version).padStart(32, '0'),
  }));
  const { routing } = planSharding({ tables: given, nodes, split: 'row' });
  return tables === undefined ? { routing } : { routing, tables };
}

const releases = fc.record({
  version: fc.integer({ min: 1, max: 4 }),
  source: fc.constantFrom(undefined, '/tables', 'https://host/t.safetensors'),
});

/** What operators do, in any order. Changes that are not possible throw, and change nothing. */
type Change = { readonly begin: Release } | 'flip' | 'end' | 'abort';
const changes = fc.array(
  fc.oneof(
    releases.map(({ version, source }): Change => ({ begin: release(version, 100, source) })),
    fc.constantFrom<Change>('flip', 'end', 'abort'),
  ),
  { maxLength: 12 },
);

function changed(cluster: Cluster, change: Change): Cluster {
  if (change === 'flip') return flip(cluster);
  if (change === 'end') return cluster.previous === undefined ? cluster : end(cluster);
  return change === 'abort' ? abort(cluster) : begin(cluster, change.begin);
}

test('after any changes: one change at a time, nothing is served that was not loaded, and JSON keeps it all', () => {
  fc.assert(
    fc.property(changes, (all) => {
      let cluster: Cluster = { serving: release(1) };
      for (const change of all) {
        const before = cluster;
        try {
          cluster = changed(cluster, change);
        } catch (error) {
          expect((error as { code?: string }).code).toBe('INVALID_OPTION');
        }
        expect(cluster.next === undefined || cluster.previous === undefined).toBe(true);
        // Only what the nodes have can be served next.
        expect([before.serving, before.next, before.previous]).toContain(cluster.serving);
        if (change === 'abort' && before.next !== undefined) expect(cluster.serving).toBe(before.serving);
        expect(parseCluster(clusterJson(cluster))).toEqual(cluster);
      }
    }),
  );
});

test('an aborted change cannot be aborted again, and what was served before is served', () => {
  const [old, next] = [release(1), release(2)];
  const aborted = abort(flip(begin({ serving: old }, next)));
  expect(aborted).toEqual({ serving: old, previous: next, aborted: true });
  expect(abort(aborted)).toEqual(aborted);
  expect(end(aborted)).toEqual({ serving: old });
});

test.for([
  ['two changes', { serving: release(1), next: release(2), previous: release(3) }, 'next'],
  ['a field that nobody knows', { serving: release(1), nxt: release(2) }, 'nxt'],
  ['no routing table', { serving: { tables: 't' } }, 'serving.routing'],
] as const)('a cluster with %s is refused', ([, given, field]) => {
  const json = JSON.stringify({ format: 'flexemr-cluster-1', ...given });
  expect(refusal(() => parseCluster(json, 'plan.json'))).toMatchObject({ code: 'INVALID_ROUTING', field });
});

test('a new version keeps the shares of shards; another version of what is served is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 3_000 }), (from, to) => {
      const serving = release(1, from);
      const given = release(2, to).routing.tables.map(({ shards: _, ...table }) => table);
      const { routing, tables } = nextVersion(serving, given, 2, '/new');
      expect(tables).toBe('/new');
      for (const { shards, spec, version } of routing.tables) {
        expect([spec.rows, version, shards.at(-1)?.end]).toEqual([to, 2, to]);
        expect(shards.length).toBeLessThanOrEqual(serving.routing.tables[0].shards.length);
      }
    }),
  );
  const [serving, same] = [release(2), release(2)];
  const other = release(3).routing.tables.map(({ shards: _, ...table }) => table);
  expect(nextVersion(serving, same.routing.tables, 2, '/same').routing).toEqual(serving.routing);
  for (const version of [1, 2])
    expect(refusal(() => nextVersion(serving, other, version, '/other'))).toMatchObject({
      code: 'INVALID_ROUTING',
    });
  expect(refusal(() => nextVersion(serving, other.slice(1), 3, '/other'))).toMatchObject({ value: 't' });
});

test('another plan has the same tables', () => {
  const serving = release(2, 100, '/tables');
  const { routing, tables } = nextPlan(serving, { nodes: [{ id: 'c' }], split: 'table' });
  expect(tables).toBe('/tables');
  expect(routing.tables.map(({ shards: _, ...table }) => table)).toEqual(
    serving.routing.tables.map(({ shards: _, ...table }) => table),
  );
  expect(new Set(routing.tables.flatMap(({ shards }) => shards.map(({ node }) => node)))).toEqual(
    new Set(['c']),
  );
});

test('a table that takes row updates keeps its cuts, because its updates belong to its shards', () => {
  const { routing } = release(2);
  const updated = routing.tables.map((table) => ({ ...table, updates: true }) as const);
  const serving = { routing: { ...routing, tables: updated } };
  const elsewhere = [{ id: 'c' }, { id: 'd' }];
  const moved = nextPlan(serving, { nodes: elsewhere, split: 'row' }).routing;
  expect(moved.tables.map(({ updates }) => updates)).toEqual([true, true]);
  expect(moved.tables.map(({ shards }) => shards.map(({ end }) => end))).toEqual(
    updated.map(({ shards }) => shards.map(({ end }) => end)),
  );
  for (const nodes of [elsewhere.slice(1), [...elsewhere, { id: 'e' }]])
    expect(refusal(() => nextPlan(serving, { nodes, split: 'row' }))).toMatchObject({
      code: 'INVALID_OPTION',
      value: 't',
    });
});
