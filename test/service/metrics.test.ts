// The metrics of the service and of its nodes are well formed, count exactly what a load has done, and are those that
// docs/operating.md lists.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { reference } from '../../src/index.ts';
import { Example, jsonTensor } from './example.ts';
import { Load } from './load.ts';
import { run } from './program.ts';
import { added, Metrics, type Samples } from './scrape.ts';
import { Tally } from './tally.ts';

const { url, model, nodes } = inject('service');
const infer = `/v2/models/${model}/infer`;
const servers = [{ node: 'the service', url }, ...nodes];
const ofNodes = nodes.map((node) => new Metrics(node.url));
let requests: Example;
beforeAll(async () => {
  requests = await Example.open();
});

const request = (begin: number, end: number): object => {
  return { inputs: requests.tensors(begin, end).map(jsonTensor) };
};

function candidatesOf(begin: number, count: number): object[] {
  return (requests.call(begin, begin + count) as { candidates: object[] }).candidates;
}

describe('promtool', () => {
  test.for(servers)('finds nothing to say about $node under load', async (server) => {
    using load = new Load(url, 4);
    let [going, asked] = [true, 0];
    const asking = Array.from({ length: 4 }, async (_, i) => {
      // Some are refused if the machine is busy.
      for (; going; asked++) expect([200, 429]).toContain((await load.post(infer, request(i, i + 5))).status);
    });
    try {
      await expect.poll(() => asked).toBeGreaterThan(3);
      for (let i = 0; i < 3; i++) {
        const input = await (await fetch(`${server.url}/metrics`)).text();
        const checked = await run('promtool', ['check', 'metrics'], { input });
        expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
      }
    } finally {
      going = false;
      await Promise.all(asking);
    }
  });
});

/** Samples that this test does not know in advance: times, gauges, and what goes to nodes. */
const unknown =
  /_seconds_(sum|bucket)|_candidates_bucket|_(sent|received)_bytes_total|segments_(pushed|fetched)|node_up|node_workers|queue_candidates|batches_running/;

function known(samples: Samples): Samples {
  return Object.fromEntries(Object.entries(samples).filter(([id]) => !unknown.test(id)));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const sumOf = (samples: Samples, id: string): number =>
  sum(Object.entries(samples).flatMap(([name, value]) => (name.startsWith(id) ? value : [])));

test('the counters are exactly what a load has done, and so are the bytes of its sockets', async () => {
  using load = new Load(url);
  const metrics = new Metrics(url, async (address) => (await load.ask(new URL(address).pathname)).text);
  const nodesBefore = await Promise.all(ofNodes.map((node) => node.samples()));
  const bytesBefore = load.bytes;
  const before = await metrics.samples();
  const bytesAsked = load.bytes.sent;
  const tally = new Tally(nodes.map(({ node }) => node));
  const scrapes = { status: 200 };
  tally.http('metrics', scrapes);

  for (const count of [1, 16, 200]) {
    tally.http('infer', await load.post(infer, request(0, count)));
    tally.scored(count, repeatedBags(candidatesOf(0, count)));
  }
  for (const [count, times] of [
    [1, 16],
    [3, 20],
  ]) {
    const candidates = candidatesOf(50, count).flatMap((candidate) => Array<object>(times).fill(candidate));
    tally.http('rank', await load.post('/v1/rank', { candidates }));
    tally.scored(candidates.length, repeatedBags(candidates));
  }
  const wrongKey = { candidates: [{ ...candidatesOf(0, 1)[0], movie: 1_000_000 }] };
  tally.http('rank', await load.post('/v1/rank', wrongKey), 'INVALID_KEY');
  tally.failed('INVALID_KEY');
  tally.http('rank', await load.post('/v1/rank', { candidates: [] }), 'INVALID_BAGS');
  tally.http('infer', await load.post(infer, { inputs: [] }), 'INVALID_BAGS');
  tally.http('infer', await load.post('/v2/models/another/infer', request(0, 1)), 'INVALID_OPTION');
  tally.http('infer', await load.ask(infer), 'INVALID_OPTION');
  tally.http('infer', await load.ask(infer, { method: 'POST', body: '' }), 'INVALID_BAGS');
  tally.http('rank', await load.ask('/v1/rank', { method: 'POST', body: '{}' }), 'INVALID_OPTION');
  tally.http('metadata', await load.ask('/v2'));
  tally.http('metadata', await load.ask('/v2', { headers: { host: 'elsewhere.example' } }));
  tally.http('metadata', await load.ask(`/v2/models/${model}`));
  tally.http('health', await load.ask(`/v2/models/${model}/ready`));
  for (const path of ['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready'])
    tally.http('health', await load.ask(path));
  for (const path of ['/', '/page/page.js']) tally.http('page', await load.ask(path));
  tally.http('page', await load.ask('/page/none'), 'INVALID_OPTION');
  tally.http('openapi', await load.ask('/openapi.json'));
  tally.http('other', await load.ask('/nowhere'), 'INVALID_OPTION');
  await load.leave(infer);
  tally.http('infer', { status: 499 });

  // A request counts when its answer has ended, which its client may know first.
  let after: Samples = {};
  let bytesReceived = 0;
  await expect
    .poll(async () => {
      bytesReceived = load.bytes.received;
      after = await metrics.samples();
      const got = known(added(before, after));
      const wanted = tally.samples;
      tally.http('metrics', scrapes);
      return differences(got, wanted);
    })
    .toEqual({});
  const done = added(before, after);
  expect(done.flexemr_http_received_bytes_total).toBe(load.bytes.sent - bytesAsked);
  expect(done.flexemr_http_sent_bytes_total).toBe(bytesReceived - bytesBefore.received);
  await compareNodes(nodesBefore, done);
});

/** Samples that differ, with both values. */
function differences(got: Samples, wanted: Samples): Record<string, [number, number]> {
  const ids = new Set([...Object.keys(got), ...Object.keys(wanted)]);
  const pairs = [...ids].map((id) => [id, [got[id] ?? 0, wanted[id] ?? 0] as [number, number]] as const);
  return Object.fromEntries(pairs.filter(([, [one, other]]) => one !== other));
}

/** What the ranker says of its subrequests is what its nodes say. */
async function compareNodes(before: readonly Samples[], done: Samples): Promise<void> {
  const now = await Promise.all(ofNodes.map((node) => node.samples()));
  const all = now.map((samples, i) => added(before[i], samples));
  const of = (id: string): number => sum(all.map((samples) => sumOf(samples, `flexemr_node_${id}`)));
  expect(of('subrequests_total')).toBe(done.flexemr_ranker_subrequests_total);
  expect(of('segments_total answer=pooled')).toBe(done.flexemr_ranker_segments_pushed_total ?? 0);
  expect(of('segments_total answer=fetched')).toBe(done.flexemr_ranker_segments_fetched_total ?? 0);
  // All features, each in one segment, because every table is whole on one node.
  expect(of('segments_total')).toBe(requests.features.length * done.flexemr_ranker_lookups_total);
  expect(of('errors_total')).toBe(0);
  // The ranker counts headers and health checks too.
  expect(done.flexemr_ranker_sent_bytes_total).toBeGreaterThanOrEqual(of('received_bytes_total'));
  expect(done.flexemr_ranker_received_bytes_total).toBeGreaterThanOrEqual(of('sent_bytes_total'));
}

/** Bags of candidates that are not sent, because they repeat earlier ones. */
function repeatedBags(candidates: readonly object[]): number {
  return sum(
    requests.features.map((feature) => {
      const bags = candidates.map((candidate) => bagOf(candidate, feature));
      const keys = BigUint64Array.from(bags.flatMap((bag) => bag.keys.map(BigInt)));
      const weights = Float32Array.from(bags.flatMap((bag) => bag.weights ?? bag.keys.map(() => 1)));
      const offsets = Uint32Array.of(0, ...bags.map(({ keys: { length } }) => length)).map(runningSum());
      return bags.length - reference.distinctBags(keys, offsets, weights).bags.length;
    }),
  );
}

interface Bag {
  readonly keys: readonly number[];
  readonly weights?: readonly number[];
}

function bagOf(candidate: object, feature: string): Bag {
  const bag = (candidate as Record<string, readonly number[] | Bag>)[feature];
  return 'keys' in bag && Array.isArray(bag.keys) ? (bag as Bag) : { keys: bag as readonly number[] };
}

function runningSum(): (value: number) => number {
  let total = 0;
  return (value) => (total += value);
}

test('requests at the same time are all counted, and batches are what was looked up', async () => {
  using load = new Load(url, 16);
  const metrics = new Metrics(url);
  const before = await metrics.samples();
  const all = Array.from({ length: 120 }, (_, i) => 1 + (i % 7));
  const answers = await Promise.all(all.map((size, i) => load.post(infer, request(i, i + size))));
  // Some are refused if the machine is busy.
  const of = (status: number): number[] => all.filter((_, i) => answers[i].status === status);
  const [sizes, refused] = [of(200), of(429)];
  expect(sizes.length + refused.length).toBe(all.length);
  let done: Samples = {};
  const answered = async (): Promise<number> => {
    done = added(before, await metrics.samples());
    return sumOf(done, 'flexemr_http_requests_total endpoint=infer');
  };
  await expect.poll(answered).toBe(all.length);
  expect(done['flexemr_http_requests_total endpoint=infer status=200']).toBe(sizes.length);
  expect(done['flexemr_http_errors_total code=OVERLOADED'] ?? 0).toBe(refused.length);
  expect(done).toMatchObject({
    flexemr_scorer_requests_total: sizes.length,
    flexemr_scorer_candidates_total: sum(sizes),
    flexemr_scorer_batch_candidates_sum: sum(sizes),
    flexemr_scorer_batches_total: done.flexemr_ranker_lookups_total,
    flexemr_scorer_batch_candidates_count: done.flexemr_ranker_lookups_total,
    flexemr_ranker_subrequests_total: nodes.length * done.flexemr_ranker_lookups_total,
  });
});

test('docs/operating.md lists every metric of the service with its type, labels and help', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
  const rows = /^\| `(flexemr_(?!node_)\w+)` *\| (\w+) *\| (.*?) *\| (.*?) *\|$/gm;
  const listed = [...text.matchAll(rows)].map(([, ...row]) => row);
  const served = [...(await new Metrics(url).families()).values()].filter(({ name }) =>
    name.startsWith('flexemr_'),
  );
  const known = new Map(listed.map(([name, , labels]) => [name, labels]));
  const wanted = served.map(({ name, type, samples: [sample], help }) => {
    const labels = sample && Object.keys(sample.labels).filter((label) => label !== 'le');
    // A subrequest that fails is needed for one of them, see logs.test.ts.
    return [name, type, labels === undefined ? known.get(name) : labels.join(', ') || '–', help];
  });
  expect(listed.toSorted()).toEqual(wanted.toSorted());
  expect(served.filter(({ samples }) => samples.length === 0).map(({ name }) => name)).toEqual([
    'flexemr_ranker_subrequest_errors_total',
  ]);
});
