// The metrics of a memory node count exactly what its workers did, and are what docs/operating.md says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { Histogram } from '../../src/memory-node/histogram.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { keysBounds } from '../../src/memory-node/worker-stats.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { Listener } from '../../src/transport/listener.ts';
import { PortCounts } from '../../src/transport/port-stats.ts';
import { Cluster } from '../cluster.ts';
import { type Family, idOf, parseMetrics } from '../metrics-text.ts';
import { runs } from '../runs.ts';
import { lookupFrame } from './lookups.ts';
import { Expected, Load, steps } from './metrics-case.ts';
import { RawPeer } from './raw-peer.ts';
import { ids, wholeNumbers } from './whole-numbers.ts';

const workers = 3;
let cluster: Cluster;
let routing: RoutingTable;
let node: MemoryNodeHost;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  routing = cluster.routing;
  node = await MemoryNodeHost.start({ tables: cluster.file, routing, node: 'n0', workers });
});
afterAll(async () => {
  await node?.close();
  await cluster?.[Symbol.asyncDispose]();
});

type Scrape = ReadonlyMap<string, Family>;

async function scrape(port: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseMetrics(await response.text());
}

const isOwn = ({ name }: Family): boolean => name.startsWith('flexemr_');

/** The samples of a scrape, by name and labels: those that never decrease, or the gauges. */
function samplesOf(scraped: Scrape, which: 'counters' | 'gauges'): Record<string, number> {
  const families = [...scraped.values()].filter(
    (family) => isOwn(family) && (family.type === 'gauge') === (which === 'gauges'),
  );
  return Object.fromEntries(
    families.flatMap(({ samples }) => samples.map((each) => [idOf(each), each.value])),
  );
}

/** Times are not known in advance. */
const isTime = (id: string): boolean => /busy_seconds|_seconds_(bucket|sum)/.test(id);

/** All counters as they should be. */
function countersOf(expected: Expected, ids: readonly string[]): Record<string, number> {
  const sizes = Object.fromEntries(
    [...keysBounds, Number.POSITIVE_INFINITY].map((bound) => [
      `flexemr_node_subrequest_keys_bucket le=${bound === Number.POSITIVE_INFINITY ? '+Inf' : bound}`,
      expected.sizes.filter((keys) => keys <= bound).length,
    ]),
  );
  const totals = {
    flexemr_node_subrequest_keys_sum: expected.of('flexemr_node_keys_total'),
    flexemr_node_subrequest_keys_count: expected.sizes.length,
  };
  const counted = Object.fromEntries([...ids, ...expected.names].map((id) => [id, expected.of(id)]));
  return { ...counted, ...sizes, ...totals };
}

describe('the counters of a node', () => {
  const expected = new Expected();
  let before: Record<string, number> = {};

  /** Asks one worker for the metrics of all, and compares them with what is expected and with those before. */
  async function compare(worker: number): Promise<void> {
    const counters = samplesOf(await scrape(node.ports[worker]), 'counters');
    const known = Object.keys(counters).filter((id) => !isTime(id));
    expect(Object.fromEntries(known.map((id) => [id, counters[id]]))).toEqual(countersOf(expected, known));
    for (const [id, value] of Object.entries(before)) expect(counters[id], id).toBeGreaterThanOrEqual(value);
    before = counters;
  }

  test('are exact, whatever its workers do, and never decrease when workers die', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps(workers),
        fc.nat({ max: workers - 1 }),
        fc.nat({ max: workers - 1 }),
        async (all, asked, killed) => {
          const load = new Load(node.ports, routing, expected);
          await Promise.all(all.map((step) => load.run(step)));
          await compare(asked);
          await node.killWorker(killed);
          expected.add(`flexemr_node_worker_restarts_total worker=${killed}`);
          await expect.poll(() => isReady(killed)).toBe(true);
          await compare(killed);
        },
      ),
      // A failed run has changed the counters that later runs expect.
      { numRuns: runs.countedLoads, endOnFailure: true },
    );
  });

  test('include the time of every subrequest', async () => {
    const counters = samplesOf(await scrape(node.ports[0]), 'counters');
    expect(counters.flexemr_node_subrequest_seconds_sum).toBeGreaterThan(0);
    const [busy, counts] = ['busy_seconds', 'subrequests'].map((name) =>
      node.ports.map((_, i) => counters[`flexemr_node_${name}_total worker=${i}`]),
    );
    expect(busy.map((seconds) => seconds > 0)).toEqual(counts.map((count) => count > 0));
  });

  test('do not wait for a worker that has died', async () => {
    await node.killWorker(1);
    const scraped = parseMetrics(await node.metrics());
    expect(samplesOf(scraped, 'gauges')['flexemr_node_worker_ready worker=1']).toBe(0);
    const counters = samplesOf(scraped, 'counters');
    for (const [id, value] of Object.entries(before)) expect(counters[id], id).toBeGreaterThanOrEqual(value);
    await expect.poll(() => isReady(1)).toBe(true);
  });
});

async function isReady(worker: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${node.ports[worker]}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );
}

describe('the gauges of a node', () => {
  const gauges = async (): Promise<Record<string, number>> =>
    samplesOf(await scrape(node.ports[0]), 'gauges');
  const of = async (name: string, worker: number): Promise<number> =>
    (await gauges())[`flexemr_node_${name} worker=${worker}`];

  test('say what the node holds', async () => {
    const bytes = wholeNumbers.reduce((sum, { spec: { dim, dtype = 'f32' } }) => {
      const width = { f32: dim * 4, f16: dim * 2, int8: dim + 8, int4: dim / 2 + 4 }[dtype];
      return sum + 40 * width;
    }, 0);
    expect(await gauges()).toMatchObject({
      flexemr_node_tables: wholeNumbers.length,
      flexemr_node_rows: 40 * wholeNumbers.length,
      flexemr_node_row_bytes: bytes,
      'flexemr_node_worker_ready worker=2': 1,
    });
  });

  test('count open connections, and what is held of subrequests', async () => {
    const before = await of('connections', 2);
    const free = await of('slot_free_bytes', 2);
    const peers = await Promise.all([0, 1, 2, 3].map(() => RawPeer.stream(node.ports[2])));
    const frame = lookupFrame(routing, 'sum', [1, 2, 3, 4, 5, 6, 7]);
    for (const peer of peers) peer.send(frame.subarray(0, 80));
    await expect.poll(() => of('subrequests_held', 2)).toBe(peers.length);
    expect(await of('connections', 2)).toBe(before + peers.length);
    // Slots are multiples of 64 bytes.
    expect(await of('slot_free_bytes', 2)).toBe(free - peers.length * Math.ceil(frame.length / 64) * 64);
    for (const peer of peers) peer.close();
    await expect.poll(() => of('connections', 2)).toBe(before);
    expect(await of('subrequests_held', 2)).toBe(0);
    expect(await of('slot_free_bytes', 2)).toBe(free);
    expect(await of('slot_bytes', 2)).toBeGreaterThanOrEqual(free);
  });

  test('count subrequests that wait for slices', async () => {
    const peer = await RawPeer.stream(node.ports[1]);
    const keys = Array.from({ length: 1_000_000 }, (_, i) => ids[i % 40]);
    const frame = lookupFrame(routing, 'idSum', keys);
    // A scrape may come too late for the first of them. So there are always three, until one sees that they wait.
    let seen = false;
    let unanswered = 0;
    const lookups = (async (): Promise<void> => {
      while (!seen || unanswered > 0) {
        for (; !seen && unanswered < 3; unanswered++) peer.send(frame);
        await peer.reply();
        unanswered--;
      }
    })();
    await expect.poll(() => of('subrequests_waiting', 1)).toBeGreaterThan(0);
    seen = true;
    await lookups;
    await expect.poll(() => of('subrequests_waiting', 1)).toBe(0);
    peer.close();
  });
});

test('a port that closes first sends the metrics that it was asked for', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = Promise.withResolvers<void>();
  const metrics = (): Promise<string> => {
    asked.resolve();
    return promise;
  };
  const room = { counts: new PortCounts(), metrics };
  const port = { host: '127.0.0.1', port: 0 };
  const listener = await Listener.open(new MemoryNode('n0', []), port, undefined, room);
  const answer = fetch(`http://127.0.0.1:${listener.port}/metrics`);
  await asked.promise;
  const closing = listener.close();
  // Longer than the port waits between two looks at its responses.
  await new Promise((waited) => setTimeout(waited, 50));
  resolve('late 1\n');
  expect(await (await answer).text()).toBe('late 1\n');
  await closing;
});

test('a histogram counts every value in its bucket', () => {
  const value = fc.integer({ min: -5, max: 105 });
  fc.assert(
    fc.property(fc.uniqueArray(value, { maxLength: 9 }), fc.array(value), (some, values) => {
      const bounds = some.sort((a, b) => a - b);
      const histogram = new Histogram(bounds);
      for (const each of values) histogram.add(each);
      const counts = [...bounds, Number.POSITIVE_INFINITY].map(
        (bound, i) => values.filter((each) => each <= bound && !(i > 0 && each <= bounds[i - 1])).length,
      );
      expect(histogram.distribution).toEqual({ counts, sum: values.reduce((sum, each) => sum + each, 0) });
    }),
  );
});

test.each([
  ['a', 'the last line does not end'],
  ['a 1\n', 'out of place: a 1'],
  ['# HELP a b\na 1\n# TYPE a gauge\n', 'out of place'],
  ['# HELP a b\n# TYPE a count\n', 'no type'],
  ['# HELP a b\n# TYPE a gauge\na one\n', 'no number: one'],
  ['# HELP a b\n# TYPE a gauge\na{x="1" y="2"} 1\n', 'wrong labels'],
  ['# HELP a b\n# TYPE a gauge\na{x="\\t"} 1\n', 'wrong labels'],
  ['# HELP a b\n# TYPE a gauge\na 1\na 2\n', 'a has a sample twice'],
  ['# HELP a b\n# TYPE a counter\na -1\n', 'a is negative'],
  ['# HELP a\n# TYPE a gauge\na 1\n', 'a has no help'],
  ['# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n', 'a is not a histogram'],
  ['# HELP a b\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n', 'a is not a histogram'],
  [
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    'a is not a histogram',
  ],
])('the parser of this test refuses %j', (text, problem) => {
  expect(() => parseMetrics(text)).toThrow(problem);
});

test('the parser of this test reads escapes', () => {
  const text = '# HELP a b\\nc\\\\\n# TYPE a gauge\na{x="\\"\\\\\\n,"} +Inf\n';
  expect(parseMetrics(text).get('a')).toMatchObject({
    help: 'b\nc\\',
    samples: [{ labels: { x: '"\\\n,' }, value: Number.POSITIVE_INFINITY }],
  });
});

test('docs/operating.md lists every metric with its type, labels and help', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
  const listed = [...text.matchAll(/^\| `(flexemr_node_\w+)`\s*\| (\w+)\s*\| (\S*)\s*\| (.*?)\s*\|$/gm)].map(
    ([, ...row]) => row,
  );
  const served = [...(await scrape(node.ports[0])).values()].filter(isOwn);
  const rows = served.map(({ name, type, samples, help }) => {
    const [label = '–'] = Object.keys(samples[0].labels).filter((each) => each !== 'le');
    return [name, type, label, help];
  });
  expect(listed).toEqual(rows);
});

test('metrics of the process are served too, once', async () => {
  const others = [...(await scrape(node.ports[1])).values()].filter((family) => !isOwn(family));
  expect(others.map(({ name }) => name)).toContain('process_resident_memory_bytes');
  for (const { name, type } of others) {
    expect(name).toMatch(/^(process|nodejs)_/);
    // Only counters have names that end so.
    expect(name.endsWith('_total')).toBe(type === 'counter');
  }
});
