// A ranker with engines gives what one without gives: the same bits, and the same errors.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EngineThreads } from '../../src/engine/engine-control.ts';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import { FlexemrError, type KeyedBags, type Lookup } from '../../src/index.ts';
import { fixedRouting, type RoutingSource } from '../../src/plan/routing-source.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { modelTables } from '../30.plan/bag-tables.ts';
import { hostileBags } from '../30.plan/hostile-bags.ts';
import { largeBags, refused, someBags, tables } from '../60.transport/rig.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';

const engines = 3;
/** Each engine has a connection of its own to one node. Those to the other three are shared out. */
const ownConnections = 3;
const streams = { name: 'stream', security: {}, device: undefined } as const;

let cluster: Cluster;
let inline: Ranker;
let ranker: EngineRanker;
beforeAll(async () => {
  const all = [...modelTables.map((table) => ({ ...table, spec: renamed(table.spec) })), ...tables];
  cluster = await Cluster.start({ tables: all, nodes: 4, split: 'row' });
  inline = await cluster.ranker({ transport: 'stream' });
  ranker = await open(fixedRouting(cluster.routing));
});
afterAll(async () => {
  await ranker?.close();
  await inline?.close();
  await cluster?.[Symbol.asyncDispose]();
});

function renamed<T extends { readonly name: string }>(spec: T): T {
  return { ...spec, name: `model ${spec.name}` };
}

const threads = engineThreads(streams);

function open(routing: RoutingSource, on: EngineThreads = threads): Promise<EngineRanker> {
  return EngineRanker.open({ routing, engines, ownConnections }, on);
}

/** The bits of a lookup, or what its error says. */
async function outcome(lookup: Promise<Lookup>): Promise<object> {
  try {
    return { results: bits(await lookup) };
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    const { code, message, field, position } = error as FlexemrError;
    return { code, message, field, position };
  }
}

test('any bags give the same results and the same errors', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hostileBags, { minLength: 1, maxLength: 3 }), async (features) => {
      const named = features.map((bags, i) => [`f${i}`, { ...bags, table: `model ${bags.table}` }]);
      const bags = Object.fromEntries(named) as KeyedBags;
      expect(await outcome(ranker.lookup(bags))).toEqual(await outcome(inline.lookup(bags)));
    }),
    { numRuns: runs.engineBags },
  );
});

test('lookups that use the same memory one after the other may differ in anything', async () => {
  const keys = [Uint32Array.of(3, 1, 4, 1), BigUint64Array.of(5n, 9n, 2n, 6n), Int32Array.of(5, 3, 5, 8)];
  const counts = [
    { offsets: Uint32Array.of(0, 2) },
    { lengths: Uint32Array.of(1, 3) },
    { lengths: Int32Array.of(0, 4) },
    { offsets: Uint32Array.of(1, 4), includeLastOffset: true },
    { offsets: Uint32Array.of(0, 4), includeLastOffset: true },
    { offsets: Uint32Array.of(0, 3), weights: Float32Array.of(1, 2, 3, 4) },
    { offsets: Uint32Array.of(0, 3), inverse: Uint32Array.of(1, 1) },
    { lengths: Uint32Array.of(3, 1), weights: Float32Array.of(4, 3, 2, 1), inverse: Uint32Array.of(0, 1) },
  ];
  const features = keys.flatMap((some) => counts.map((count) => ({ keys: some, ...count, table: 'sum' })));
  const all = features.flatMap((a, i) => [{ f: a }, { f: a, g: features[(i * 7) % features.length] }]);
  for (const bags of [...all, ...all.toReversed()])
    expect(await outcome(ranker.lookup(bags))).toEqual(await outcome(inline.lookup(bags)));
});

test('options reach the engine', async () => {
  const bags = { f: { table: 'ids', keys: BigUint64Array.of(1n, 2n), offsets: Uint32Array.of(0) } };
  for (const onMissing of ['error', 'skip', undefined] as const)
    expect(await outcome(ranker.lookup(bags, { onMissing }))).toEqual(
      await outcome(inline.lookup(bags, { onMissing })),
    );
  expect(await outcome(ranker.lookup(bags, { onMissing: 'no' as 'skip' }))).toMatchObject({
    code: 'INVALID_OPTION',
  });
});

test('more lookups at a time than records, and more bytes than shared memory, are all answered', async () => {
  const small = Array.from({ length: 2_500 }, (_, i) => someBags(i, 1));
  const large = Array.from({ length: 24 }, (_, i) => largeBags(i));
  const asked = [...large, ...small].map((bags) => ranker.lookup(bags, { deadline: 60_000 }));
  const got = (await Promise.all(asked)).map((lookup) => bits(lookup));
  for (const [i, bags] of [...large.slice(0, 3), ...small.slice(0, 40)].entries())
    expectBits(got[i < 3 ? i : i + 21], bits(await inline.lookup(bags)));
});

test('engines learn more shapes of lookups than they remember', async () => {
  for (let i = 0; i < 600; i++) {
    const bags = {
      [`feature ${i % 400}`]: { table: 'sum', keys: Uint32Array.of(i % 500), offsets: Uint32Array.of(0) },
    };
    if (i % 50 === 0) expectBits(bits(await ranker.lookup(bags)), bits(await inline.lookup(bags)));
    else (await ranker.lookup(bags))[Symbol.dispose]();
  }
});

test('no lookup fails or changes while connections move to other engines', async () => {
  const bags = Array.from({ length: 32 }, (_, i) => someBags(i, 4));
  const wanted = await Promise.all(bags.map(async (one) => bits(await inline.lookup(one))));
  const { retries } = ranker.stats;
  let moving = true;
  let moves = 0;
  const lookups = Array.from({ length: 12 }, async (_, lane) => {
    for (let i = lane; moving; i++)
      expectBits(bits(await ranker.lookup(bags[i % bags.length])), wanted[i % bags.length]);
  });
  const connections = [...ranker.owners.keys()];
  expect(connections.length).toBe(3);
  for (; moves < runs.engineMoves; moves++)
    await ranker.move(connections[moves % 3], ((moves >> 1) * 7) % engines);
  moving = false;
  await Promise.all(lookups);
  expect(ranker.stats.retries).toBe(retries);
  const last = new Map(
    Array.from({ length: 3 }, (_, i) => [
      connections[(moves - 3 + i) % 3],
      (((moves - 3 + i) >> 1) * 7) % engines,
    ]),
  );
  expect(Object.fromEntries(ranker.owners)).toEqual(Object.fromEntries(last));
});

test('counts what its engines do, and hears how subrequests end', async () => {
  await using counted = await open(fixedRouting(cluster.routing));
  await using alone = await cluster.ranker({ transport: 'stream' });
  const heard: string[] = [];
  counted.observe(({ node }) => heard.push(node));
  for (let i = 0; i < 9; i++) for (const one of [counted, alone]) await one.lookup(someBags(i, 3));
  const { bytesIn, bytesOut, ...counts } = counted.stats;
  expect(Object.keys(counted.stats).sort()).toEqual(Object.keys(alone.stats).sort());
  expect(counts).toMatchObject({ lookups: 9, subrequests: alone.stats.subrequests, retries: 0 });
  expect(Math.min(bytesIn, bytesOut)).toBeGreaterThan(0);
  await expect.poll(() => heard.length).toBe(counts.subrequests);
  expect(new Set(heard)).toEqual(new Set(cluster.routing.nodes.map(({ id }) => id)));
  expect(counted.specs).toEqual(alone.specs);
  expect(await counted.checkNodes()).toEqual(await alone.checkNodes());
  expect(counted.nodes).toEqual(alone.nodes);
});

test('a cache is shared out among the engines, and may get another size', async () => {
  await using cached = await EngineRanker.open(
    { routing: fixedRouting(cluster.routing), engines, cache: '12MiB' },
    threads,
  );
  expect(cached.stats.cache?.bytes).toBe(12 * 2 ** 20);
  for (let i = 0; i < 30; i++)
    expectBits(bits(await cached.lookup(someBags(i % 5, 3))), bits(await inline.lookup(someBags(i % 5, 3))));
  expect(cached.stats.cache?.hits).toBeGreaterThan(0);
  await cached.resizeCache('6MiB');
  expect(cached.stats.cache?.bytes).toBe(6 * 2 ** 20);
  expect(await refused(cached.resizeCache('6 elephants'))).toMatchObject({ code: 'INVALID_OPTION' });
});

test('reads a routing table again that the nodes do not serve any more', async () => {
  const stale = cluster.routing.tables.map((table) => ({ ...table, version: table.version + 1 }));
  let reads = 0;
  const source: RoutingSource = {
    read: async () => (reads++ === 0 ? { ...cluster.routing, tables: stale } : cluster.routing),
    watch: () => () => {},
  };
  await using late = await open(source);
  expectBits(bits(await late.lookup(someBags(1))), bits(await inline.lookup(someBags(1))));
  expect(reads).toBeGreaterThan(1);
});

test('if an engine ends, its lookups fail, and the next ones find new engines', async () => {
  const ends: ((error: Error) => void)[] = [];
  const start: EngineThreads['start'] = async (setup, events, onEnd) => {
    const running = await threads.start(setup, events, onEnd);
    ends.push(async (error) => {
      await running.end();
      onEnd(error);
    });
    return running;
  };
  await using mortal = await open(fixedRouting(cluster.routing), { ...threads, start });
  await mortal.lookup(someBags(1));
  const underWay = Array.from({ length: 40 }, (_, i) =>
    outcome(mortal.lookup(largeBags(i), { deadline: 60_000 })),
  );
  ends[1](new Error('killed by a test'));
  const all = await Promise.all(underWay);
  expect(all.some((one) => 'code' in one)).toBe(true);
  for (const one of all) if ('code' in one) expect(one.code).toBe('WORKER_FAILED');
  const found = await mortal.lookup(someBags(2), { deadline: 60_000 });
  expectBits(bits(found), bits(await inline.lookup(someBags(2))));
  expect(ends.length).toBe(2 * engines);
  expect(mortal.stats.lookups).toBeGreaterThan(1);
});

test('an engine that ends while the others start is not taken for one that runs', async () => {
  const start: EngineThreads['start'] = async (setup, events, onEnd) => {
    const running = await threads.start(setup, events, onEnd);
    if (setup.place === 0) onEnd(new Error('killed by a test'));
    return running;
  };
  const opening = refused(open(fixedRouting(cluster.routing), { ...threads, start }));
  expect(await opening).toMatchObject({ code: 'WORKER_FAILED', field: 'engines' });
});

test('engines start again without a node that is away', async () => {
  const nodes = cluster.routing.nodes.map((node, i) =>
    i === 0 ? { ...node, url: 'http://127.0.0.1:1' } : node,
  );
  let onEnd: ((error: Error) => void) | undefined;
  const start: EngineThreads['start'] = async (setup, events, ended) => {
    onEnd = ended;
    return await threads.start(setup, events, ended);
  };
  let away = false;
  // Engines that start again have the last routing table.
  let change: (routing: typeof cluster.routing) => void = () => {};
  const source: RoutingSource = {
    read: async () => (away ? { ...cluster.routing, nodes } : cluster.routing),
    watch: (onChange) => {
      change = onChange;
      return () => {};
    },
  };
  await using bereft = await open(source, { ...threads, start });
  await bereft.lookup(someBags(1));
  away = true;
  change({ ...cluster.routing, nodes });
  onEnd?.(new Error('killed by a test'));
  const found = await bereft.lookup(someBags(1), { onFailure: 'partial' });
  expect(found.failures.map(({ code }) => code)).toContain('UNAVAILABLE');
});

test('lookups end when it is closed, and no more begin', async () => {
  const closing = await open(fixedRouting(cluster.routing));
  const lookups = Array.from({ length: 30 }, (_, i) => outcome(closing.lookup(largeBags(i))));
  await closing.close();
  for (const one of await Promise.all(lookups)) if ('code' in one) expect(one.code).toBe('RELEASED');
  expect(await outcome(closing.lookup(someBags(1)))).toMatchObject({ code: 'RELEASED' });
  expect(await refused(closing.checkNodes())).toMatchObject({ code: 'RELEASED' });
});

test('options that threads cannot share are refused', async () => {
  const { routing } = cluster;
  const asks = [
    cluster.ranker({ transport: 'loopback', engines: 1 }),
    cluster.ranker({ transport: 'stream', engines: 1, adaptiveCache: { capacity: '1GiB' } }),
    cluster.ranker({ transport: 'stream', engines: 65 }),
    cluster.ranker({ transport: 'stream', engines: 1, routing: { ...routing, nodes: [{ id: 'n0' }] } }),
  ];
  const errors = await Promise.all(asks.map(refused));
  expect(errors.map(({ code, field }) => [code, field])).toMatchObject([
    ['INVALID_OPTION', 'transport'],
    ['INVALID_OPTION', 'adaptiveCache'],
    ['INVALID_OPTION', 'engines'],
    ['INVALID_ROUTING', expect.anything()],
  ]);
});
