// A ranker's cache and another routing table: entries of tables whose bags keep their bits are found, and no others.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bags, CacheOptions, KeyedBags } from '../../src/index.ts';
import { cacheBytesMin } from '../../src/limits.ts';
import type { PlannedTable, RoutingTable } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { Gate } from '../60.transport/gate.ts';
import { bits, expectSame } from '../bits.ts';
import { Cluster, type ClusterOptions } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { shuffled } from './shuffled.ts';
import { Turnable } from './turnable.ts';

const rows = 300;
const tableOf = (name: string, mode: 'sum' | 'mean', seed: number): GivenTable => ({
  spec: { name, rows, dim: 8, mode },
  rows: Float32Array.from({ length: rows * 8 }, (_, i) => Math.fround(Math.sin(i * 1000 + seed))),
});
const a = tableOf('a', 'sum', 1);
const b = tableOf('b', 'mean', 2);
const added = tableOf('added', 'sum', 3);
const common = ['a', 'b'];

/** Cuts every table at the same rows. @param first the place of the node of the first shard */
const cutAt =
  (ends: readonly number[], first = 0) =>
  (tables: readonly PlannedTable[], nodes: readonly string[]): PlannedTable[] =>
    tables.map((table) => ({
      ...table,
      shards: ends.map((end, i) => {
        return { node: nodes[(first + i) % nodes.length], begin: i === 0 ? 0 : ends[i - 1], end };
      }),
    }));

const halves = cutAt([150, rows]);
/** Clusters, and the tables whose bags keep their bits if the first one's plan becomes theirs. */
const plans = {
  first: [{ tables: [a, b], nodes: 2, split: halves }, []],
  moved: [{ tables: [a, b], nodes: 3, split: cutAt([150, rows], 1) }, common],
  'with another table': [{ tables: [added, b, a], nodes: 1, split: halves }, common],
  'with other rows': [{ tables: [tableOf('a', 'sum', 4), b], nodes: 2, split: halves }, ['b']],
  'with another mode': [{ tables: [a, tableOf('b', 'sum', 2)], nodes: 2, split: halves }, ['a']],
  'with other cuts': [{ tables: [a, b], nodes: 2, split: cutAt([100, rows]) }, []],
  'with other rows, without digests': [
    { tables: [tableOf('a', 'sum', 4), b], nodes: 2, split: halves, digests: false },
    [],
  ],
  'without digests': [{ tables: [a, b], nodes: 2, split: halves, digests: false }, []],
} satisfies Record<string, readonly [ClusterOptions, readonly string[]]>;
type Name = keyof typeof plans;
const names = Object.keys(plans) as Name[];

const clusters = new Map<Name, Cluster>();
/** Rankers without a cache, by the plan that they use. */
const plain = new Map<Name, Ranker>();
beforeAll(async () => {
  for (const name of names) {
    const cluster = await Cluster.start({ digests: true, ...plans[name][0] });
    clusters.set(name, cluster);
    plain.set(name, await cluster.ranker({ transport: 'loopback' }));
  }
});
afterAll(async () => {
  for (const ranker of plain.values()) await ranker.close();
  for (const cluster of clusters.values()) await cluster[Symbol.asyncDispose]();
});

const of = <T>(map: ReadonlyMap<Name, T>, name: Name): T => map.get(name) as T;
const routingOf = (name: Name): RoutingTable => of(clusters, name).routing;

/** A ranker that can reach the nodes of all clusters. */
async function open(source: Turnable, random: () => number, cache: CacheOptions): Promise<Ranker> {
  const handlers = new Map([...clusters.values()].flatMap((cluster) => [...cluster.handlers]));
  const cluster = of(clusters, 'first');
  const transport = shuffled(cluster.loopback(handlers), random);
  return await cluster.ranker({ routing: source, transport, cache });
}

/** Some bags of each table. The same number is the same bag in every lookup. */
function bagsOf(random: () => number, count: number, different: number): KeyedBags {
  const some = (): Bags => {
    const drawn = Array.from({ length: count }, () => {
      const own = randomOf(1 + Math.floor(random() ** 2 * different));
      return Array.from({ length: 1 + Math.floor(own() * 4) }, () => Math.floor(own() * rows));
    });
    return { keys: Uint32Array.from(drawn.flat()), lengths: drawn.map(({ length }) => length) };
  };
  return Object.fromEntries(common.map((name) => [name, some()]));
}

const steps = fc.oneof(
  { arbitrary: fc.record({ lookup: fc.integer({ min: 1, max: 40 }) }), weight: 6 },
  { arbitrary: fc.record({ turn: fc.constantFrom(...names) }), weight: 3 },
  { arbitrary: fc.record({ size: fc.integer({ min: 1, max: 3 }) }), weight: 1 },
);

type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

/** More bags than the cache has room for, and all plans in turn. */
const busy: readonly Step[] = Array.from({ length: 60 }, (_, i) =>
  i % 5 === 4 ? { turn: names[((i / 5) | 0) % names.length] } : { lookup: 40 },
);

test('lookups have the bits of their own plan, whatever was the plan before', async () => {
  let [hits, evicted, turns] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(40, 3_000),
      fc.array(steps, { minLength: 20, maxLength: runs.cacheSteps, size: 'max' }),
      async (seed, different, history) => {
        const random = randomOf(seed);
        const source = new Turnable(routingOf('first'));
        const pinned: CacheOptions['tables'] = random() < 0.5 ? { a: 'pinned' } : {};
        await using ranker = await open(source, random, { size: cacheBytesMin, tables: pinned });
        let now: Name = 'first';
        const underWay: Promise<unknown>[] = [];
        for (const step of history) {
          if ('turn' in step) {
            now = step.turn;
            source.turn(routingOf(now));
            turns++;
          } else if ('size' in step) underWay.push(ranker.resizeCache(step.size * cacheBytesMin));
          else {
            const bags = bagsOf(random, step.lookup, different);
            const [found, wanted] = [ranker.lookup(bags), of(plain, now).lookup(bags)];
            const compared = Promise.all([found, wanted]).then(([got, want]) => expectSame(got, want));
            underWay.push(compared);
            // Lookups of several plans and changes of size are in progress at the same time.
            if (random() < 0.6) await compared;
          }
        }
        await Promise.all(underWay);
        hits += ranker.stats.cache?.hits ?? 0;
        evicted += ranker.stats.cache?.evicted ?? 0;
      },
    ),
    { numRuns: runs.cacheRoutings, examples: [[1, 3_000, [...busy]]] },
  );
  console.log({ hits, evicted, turns });
  for (const count of [hits, evicted, turns]) expect(count).toBeGreaterThan(0);
});

test.for(names.slice(1))('entries of unchanged tables are found at once in a plan %s', async (name) => {
  const source = new Turnable(routingOf('first'));
  await using ranker = await open(source, randomOf(1), { size: 2 ** 20 });
  const hits = async (table: string, plan: Name): Promise<number> => {
    const before = ranker.stats.cache?.hits ?? 0;
    const bags = { [table]: { keys: [1, 160, 7, 290], lengths: [2, 1, 1] } };
    expectSame(await ranker.lookup(bags), await of(plain, plan).lookup(bags));
    return (ranker.stats.cache?.hits ?? 0) - before;
  };
  for (const table of common) expect(await hits(table, 'first')).toBe(0);
  source.turn(routingOf(name));
  const [, kept]: readonly [unknown, readonly string[]] = plans[name];
  for (const table of common)
    expect([table, await hits(table, name)]).toEqual([table, kept.includes(table) ? 3 : 0]);
  for (const table of common) expect(await hits(table, name)).toBe(3);
  expect(ranker.stats.cache?.evicted).toBe(0);
});

test('a lookup that began with the old plan neither finds nor leaves vectors of the new one', async () => {
  const gates: Gate[] = [];
  const wrap = (handler: ConstructorParameters<typeof Gate>[0]): Gate => {
    gates.push(new Gate(handler));
    return gates[gates.length - 1];
  };
  await using old = await Cluster.start({ tables: [a, b], nodes: 1, wrap, digests: true });
  await using fresh = await Cluster.start({ tables: [tableOf('a', 'sum', 4), b], nodes: 1, digests: true });
  const source = new Turnable(old.routing);
  const transport = old.loopback(new Map([...old.handlers, ...fresh.handlers]));
  await using ranker = await old.ranker({ routing: source, transport, cache: '1MiB' });
  await using before = await old.ranker({ transport: 'loopback' });
  await using after = await fresh.ranker({ transport: 'loopback' });
  const bags: KeyedBags = { a: { keys: [1, 160], lengths: [2] }, b: { keys: [1, 160], lengths: [2] } };
  const wanted = bits(await before.lookup(bags));
  for (const gate of gates) gate.close();
  const under = ranker.lookup(bags);
  await Promise.all(gates.map((gate) => gate.holds(1)));
  source.turn(fresh.routing);
  expectSame(await ranker.lookup(bags), await after.lookup(bags));
  for (const gate of gates) gate.open();
  expect(bits(await under)).toEqual(wanted);
  // The old lookup adds its bag of table a, too, but under another number.
  expect(ranker.stats.cache).toMatchObject({ hits: 0, filled: 3 });
  expectSame(await ranker.lookup(bags), await after.lookup(bags));
  expect(ranker.stats.cache?.hits).toBe(2);
});

// Before the change of size begins, while it goes on, and after it.
test.for([0, 1, 2, 3])('while the cache gets another size, the plan may change (%i)', async (waits) => {
  const source = new Turnable(routingOf('first'));
  await using ranker = await open(source, randomOf(1), { size: 2 ** 23, tables: { a: 'pinned' } });
  const keys = Uint32Array.from({ length: rows }, (_, i) => i);
  const bag = { keys, lengths: new Uint32Array(rows).fill(1) };
  const bags: KeyedBags = { a: bag, b: bag };
  await ranker.lookup(bags);
  const pinnedBytes = ranker.stats.cache?.pinnedBytes;
  expect(pinnedBytes).toBeGreaterThan(0);
  const resized = ranker.resizeCache(2 ** 22);
  for (let i = 0; i < waits; i++) await new Promise((done) => setImmediate(done));
  source.turn(routingOf('with other rows'));
  await resized;
  expect(ranker.stats.cache).toMatchObject({ bytes: 2 ** 22, entries: 2 * rows, pinnedBytes: 0 });
  const wanted = await of(plain, 'with other rows').lookup(bags);
  expectSame(await ranker.lookup(bags), wanted);
  expect(ranker.stats.cache?.hits).toBe(rows);
  expectSame(await ranker.lookup(bags), wanted);
  expect(ranker.stats.cache).toMatchObject({ hits: 3 * rows, pinnedBytes });
});
