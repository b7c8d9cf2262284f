// Requests are scored together, and each gets the scores that it gets alone: in time, or with an error of its own.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DenseThreads } from '../../src/host/dense-threads.ts';
import {
  type Bags,
  FlexemrError,
  loopbackCluster,
  openRanker,
  openScorer,
  openTables,
  SafetensorsFile,
  type ScoreRequest,
  type Scores,
  Tables,
  type VectorSource,
} from '../../src/index.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { planModel } from '../../src/model/model-plan.ts';
import { type Batching, Scorer } from '../../src/scorer/scorer.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { denseFile, requestsFile, tablesFile } from '../80.cli/command.ts';
import { runs } from '../runs.ts';
import { Adder } from './adder.ts';

const [rows, dim, features] = [30, 4, 2];
const modes = ['sum', 'mean', 'max'] as const;
const batching: Batching = { batchCandidates: 8, batchDelay: 0, queueCandidates: 64 };

/** A scorer over the tables of this test, whose network is an adder: the sum of all inputs of a candidate. */
function scorerOf(adder: Adder, more: Partial<Batching> = {}): Scorer {
  const plan = planModel(describeModel(adder.networks, tables.specs, 'adder'), adder.networks, tables.specs);
  return new Scorer({
    ...{ source: tables, dense: adder, plan, batching: { ...batching, ...more } },
    ...{ tracer: undefined, observer: undefined },
  });
}
const adderOf = (): Adder =>
  new Adder([{ inputs: { dense: [features], pooled: [modes.length, dim] }, outputs: { logit: [] } }]);

let tables: Tables;
beforeAll(async () => {
  tables = new Tables({ slotBytes: 2 ** 20 });
  for (const mode of modes)
    await tables.add(
      { name: mode, rows, dim, mode },
      { rows: Float32Array.from({ length: rows * dim }, (_, i) => Math.fround(Math.sin(i + mode.length))) },
    );
});
afterAll(async () => await tables?.close());

/** What is said of one table: once for all candidates, a bag for each, or fewer bags with an inverse. */
const said = fc.constantFrom('once', 'each', 'inverse', 'once by inverse');
const drawn = fc.record({
  seed: fc.nat(),
  candidates: fc.integer({ min: 1, max: 6 }),
  said: fc.tuple(said, said, said),
  denseOnce: fc.boolean(),
  weighted: fc.boolean(),
  wide: fc.boolean(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** A request that says everything once has one candidate. */
function candidatesOf({ candidates, said, denseOnce }: Drawn): number {
  return denseOnce && said.every((how) => how.startsWith('once')) ? 1 : candidates;
}

/** A request, and the same with everything said out for each candidate. */
function requestOf(of: Drawn): { readonly short: ScoreRequest; readonly full: ScoreRequest } {
  const random = randomOf(of.seed);
  const candidates = candidatesOf(of);
  const pick = (n: number): number => Math.floor(random() * n);
  const bagsOf = (list: readonly (readonly { key: number; weight: number }[])[], weighted: boolean): Bags => {
    const flat = list.flat();
    return {
      keys: of.wide
        ? BigUint64Array.from(flat, ({ key }) => BigInt(key))
        : Uint32Array.from(flat, ({ key }) => key),
      lengths: list.map(({ length }) => length),
      weights: weighted ? Float32Array.from(flat, ({ weight }) => weight) : undefined,
    };
  };
  const entries = modes.map((mode, i) => {
    const how = of.said[i];
    const count = how === 'each' ? candidates : how === 'once' ? 1 : 1 + pick(3);
    const list = Array.from({ length: count }, () =>
      Array.from({ length: pick(5) }, () => ({ key: pick(rows), weight: random() })),
    );
    const results = how === 'once by inverse' ? 1 : candidates;
    const inverse = how.endsWith('inverse') ? Array.from({ length: results }, () => pick(count)) : undefined;
    const all = Array.from({ length: candidates }, (_, own) => {
      const result = how.startsWith('once') ? 0 : own;
      return list[inverse?.[result] ?? result];
    });
    const weighted = of.weighted && mode !== 'max';
    return { mode, short: { ...bagsOf(list, weighted), inverse }, full: bagsOf(all, weighted) };
  });
  const row = Float32Array.from({ length: of.denseOnce ? features : candidates * features }, random);
  const dense = of.denseOnce
    ? Float32Array.from({ length: candidates * features }, (_, i) => row[i % features])
    : row;
  const bags = (form: 'short' | 'full'): ScoreRequest['bags'] =>
    Object.fromEntries(entries.map((entry) => [entry.mode, entry[form]]));
  return {
    short: { bags: bags('short'), dense: { dense: row } },
    full: { bags: bags('full'), dense: { dense } },
  };
}

/** The logits of a request without a scorer. */
async function logitsOf({ bags, dense = {} }: ScoreRequest): Promise<Float32Array> {
  const candidates = dense.dense.length / features;
  const vectors = [...(await tables.lookup(bags)).values()].map(({ values }) => values);
  return Float32Array.from({ length: candidates }, (_, i) =>
    [
      ...dense.dense.subarray(i * features, (i + 1) * features),
      ...vectors.flatMap((values) => [...values.subarray(i * dim, (i + 1) * dim)]),
    ].reduce((sum, value) => Math.fround(sum + value), 0),
  );
}

test('any batches give each request the scores that it has alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(drawn, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom(0, 1),
      async (all, batchCandidates, batchDelay) => {
        const adder = adderOf();
        await using scorer = scorerOf(adder, { batchCandidates, batchDelay, queueCandidates: 1_000 });
        const requests = all.map(requestOf);
        const scores = await Promise.all(requests.map(({ short }) => scorer.score(short)));
        for (const [i, { outputs }] of scores.entries()) {
          const wanted = await logitsOf(requests[i].full);
          expect(new Uint32Array(outputs.logit.buffer)).toEqual(new Uint32Array(wanted.buffer));
          expect(outputs.prob).toEqual(wanted.map((logit) => 1 / (1 + Math.exp(-logit))));
        }
        const candidates = all.reduce((sum, own) => sum + candidatesOf(own), 0);
        const batches = adder.ran.length;
        const idle = { refused: 0, errors: {}, queued: 0 };
        expect(scorer.stats).toMatchObject({ requests: all.length, candidates, batches, ...idle });
        expect(adder.ran.reduce((sum, ran) => sum + ran, 0)).toBe(candidates);
        const largest = Math.max(batchCandidates, ...all.map(candidatesOf));
        expect(Math.max(...adder.ran)).toBeLessThanOrEqual(largest);
      },
    ),
    { numRuns: runs.scoredBatches },
  );
});

const one = (key = 1): ScoreRequest => ({
  bags: Object.fromEntries(modes.map((mode) => [mode, { keys: [key], lengths: [1] }])),
  dense: { dense: new Float32Array(features) },
});
const errorOf = (scores: Promise<Scores>): Promise<FlexemrError> =>
  scores.then(
    () => {
      throw new Error('it was scored');
    },
    (error: FlexemrError) => error,
  );

/** A scorer whose networks wait, with one batch in progress, and requests in the queue. */
async function held(
  queued: number,
  more: Partial<Batching> = {},
): Promise<{ scorer: Scorer; adder: Adder; scores: Promise<Scores>[]; release: () => void }> {
  const adder = adderOf();
  const release = adder.hold();
  const scorer = scorerOf(adder, more);
  const scores = [scorer.score(one())];
  await vi.waitFor(() => expect(adder.ran).toHaveLength(1));
  for (let i = 0; i < queued; i++) scores.push(scorer.score(one()));
  return { scorer, adder, scores, release };
}

describe('a scorer', () => {
  test('scores what has waited in one batch', async () => {
    const { scorer, adder, scores, release } = await held(5);
    expect(scorer.stats.queued).toBe(5);
    release();
    await Promise.all(scores);
    expect(adder.ran).toEqual([1, 5]);
    await scorer.close();
  });

  test('begins another batch beside the networks only if it is full', async () => {
    const { scorer, adder, scores, release } = await held(7);
    expect(scorer.stats).toMatchObject({ running: 1, queued: 7 });
    scores.push(scorer.score(one()));
    await vi.waitFor(() => expect(adder.ran).toEqual([1, 8]));
    // Now one waits for the thread, so the next one waits also if it is full.
    for (let i = 0; i < 9; i++) scores.push(scorer.score(one()));
    expect(scorer.stats).toMatchObject({ running: 2, queued: 9 });
    release();
    await Promise.all(scores);
    expect(adder.ran).toEqual([1, 8, 8, 1]);
    await scorer.close();
  });

  test('refuses at once what does not fit into the queue', async () => {
    const { scorer, scores, release } = await held(3, { queueCandidates: 3 });
    expect(await errorOf(scorer.score(one()))).toMatchObject({
      code: 'OVERLOADED',
      field: 'queue',
      value: 3,
    });
    release();
    await Promise.all(scores);
    expect(scorer.stats).toMatchObject({ requests: 4, refused: 1, queued: 0 });
    await scorer.close();
  });

  test('refuses at once what would come too late', async () => {
    const { scorer, adder, scores, release } = await held(0);
    await new Promise((waited) => setTimeout(waited, 50));
    release();
    await Promise.all(scores);
    const again = adder.hold();
    const waiting = Array.from({ length: 40 }, () => scorer.score(one()));
    const error = await errorOf(scorer.score(one(), { deadline: 5 }));
    expect(error).toMatchObject({ code: 'OVERLOADED', field: 'deadline', value: 5 });
    again();
    await Promise.all(waiting);
    // Without work it tries, although batches have taken longer than this deadline.
    await vi.waitFor(() => scorer.score(one(), { deadline: 20 }));
    await scorer.close();
  });

  test('ends a request at its deadline, and drops it from the queue', async () => {
    const { scorer, adder, scores, release } = await held(0);
    const late = await errorOf(scorer.score(one(), { deadline: 20 }));
    expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', field: 'deadline', value: 20 });
    expect(scorer.stats.queued).toBe(0);
    release();
    await Promise.all(scores);
    expect(adder.ran).toEqual([1]);
    await scorer.close();
  });

  test('drops a request whose caller has gone', async () => {
    const { scorer, adder, scores, release } = await held(1);
    const leaving = new AbortController();
    const gone = errorOf(scorer.score(one(), { signal: leaving.signal }));
    expect(scorer.stats.queued).toBe(2);
    leaving.abort('left');
    expect(await gone).toMatchObject({ code: 'CANCELLED', cause: 'left' });
    expect(scorer.stats.queued).toBe(1);
    expect(await errorOf(scorer.score(one(), { signal: leaving.signal }))).toMatchObject({
      code: 'CANCELLED',
    });
    release();
    await Promise.all(scores);
    expect(adder.ran).toEqual([1, 1]);
    await scorer.close();
  });

  test('fails one bad request alone, and names its own key', async () => {
    const { scorer, scores, release } = await held(2);
    const bad = errorOf(scorer.score(one(rows)));
    const after = scorer.score(one());
    release();
    expect(await bad).toMatchObject({ code: 'INVALID_KEY', field: 'sum.keys', position: 0, value: rows });
    const all = await Promise.all([...scores, after]);
    for (const { outputs } of all) expect(outputs).toEqual(all[0].outputs);
    await scorer.close();
  });

  test('fails one bad request of many, and scores the others in few batches', async () => {
    const { scorer, adder, scores, release } = await held(0, { batchCandidates: 64 });
    const others = Array.from({ length: 63 }, () => scorer.score(one()));
    const bad = errorOf(scorer.score(one(rows)));
    release();
    expect((await bad).code).toBe('INVALID_KEY');
    await Promise.all([...scores, ...others]);
    // The halves without it: 32, 16, 8, 4, 2 and 1.
    expect(adder.ran.toSorted((a, b) => b - a)).toEqual([32, 16, 8, 4, 2, 1, 1]);
    await scorer.close();
  });

  test('scores a batch again whose thread has ended, and only once more', async () => {
    const adder = adderOf();
    const scorer = scorerOf(adder);
    const ended = new FlexemrError('WORKER_FAILED', 'a thread ended');
    const run = vi.spyOn(adder, 'run').mockRejectedValueOnce(ended);
    await scorer.score(one());
    run.mockRejectedValueOnce(ended).mockRejectedValueOnce(ended);
    expect((await errorOf(scorer.score(one()))).code).toBe('WORKER_FAILED');
    expect(run).toHaveBeenCalledTimes(4);
    await scorer.close();
  });

  test('answers what is in progress when it is closed, and refuses what waits', async () => {
    const { scorer, scores, release } = await held(2);
    const errors = scores.slice(1).map(errorOf);
    const closing = scorer.close();
    for (const error of await Promise.all(errors)) expect(error.code).toBe('RELEASED');
    expect((await errorOf(scorer.score(one()))).code).toBe('RELEASED');
    release();
    await closing;
    await scores[0];
  });

  const bags = (name: string, of: unknown): ScoreRequest => ({
    ...one(),
    bags: { ...one().bags, [name]: of as Bags },
  });
  test.for<[string, unknown, object]>([
    ['nothing', undefined, { code: 'INVALID_BAGS', field: 'request' }],
    ['no dense features', { bags: one().bags }, { code: 'INVALID_OPTION', field: 'dense.dense' }],
    ['another dense input', { ...one(), dense: { other: [] } }, { code: 'INVALID_OPTION', value: 'other' }],
    [
      'half of the dense features',
      { ...one(), dense: { dense: new Float32Array(1) } },
      { code: 'INVALID_OPTION' },
    ],
    ['a table missing', { ...one(), bags: {} }, { code: 'INVALID_BAGS', field: 'sum' }],
    ['an unknown table', bags('nowhere', {}), { code: 'UNKNOWN_TABLE', field: 'bags', value: 'nowhere' }],
    [
      'no candidates',
      bags('sum', { keys: [], lengths: [] }),
      { code: 'INVALID_BAGS', field: 'sum', value: 0 },
    ],
    [
      'three results of one table and two of another',
      {
        bags: { ...bags('sum', { keys: [], lengths: [0, 0, 0] }).bags, max: { keys: [], lengths: [0, 0] } },
        dense: { dense: new Float32Array(features) },
      },
      { code: 'INVALID_BAGS', field: 'max', value: 2 },
    ],
    ['a key that is text', bags('sum', { keys: ['1'], lengths: [1] }), { code: 'INVALID_KEY', position: 0 }],
  ])('refuses %s', async ([, request, wanted]) => {
    await using scorer = scorerOf(adderOf());
    expect(await errorOf(scorer.score(request as ScoreRequest))).toMatchObject(wanted);
  });
});

describe('the example', () => {
  /** All requests, one candidate each, and their probabilities. */
  async function requests(): Promise<{ all: ScoreRequest[]; probs: Float32Array; names: string[] }> {
    await using file = await SafetensorsFile.open(requestsFile);
    await using own = await openTables(tablesFile);
    const names = own.specs.map(({ name }) => name);
    const dense = await file.read('dense', 'F32');
    const probs = await file.read('expected_prob', 'F32');
    const columns = await Promise.all(
      names.map(async (_, i) => {
        const of = (kind: string): string => `${kind}_${String(i).padStart(2, '0')}`;
        const keys = await file.read(of('indices'), 'I64');
        const offsets = Array.from(await file.read(of('offsets'), 'I64'), Number);
        const weights = file.tensors.has(of('weights')) ? await file.read(of('weights'), 'F32') : undefined;
        return { keys, offsets, weights };
      }),
    );
    const width = dense.length / probs.length;
    const all = Array.from(probs, (_, i): ScoreRequest => {
      const bags = columns.map(({ keys, offsets, weights }, table) => {
        const [begin, end] = [offsets[i], offsets[i + 1]];
        const own = { keys: keys.slice(begin, end), lengths: [end - begin] };
        return [names[table], { ...own, weights: weights?.slice(begin, end) }];
      });
      const row = dense.slice(i * width, (i + 1) * width);
      return { bags: Object.fromEntries(bags), dense: { dense: row } };
    });
    return { all, probs, names };
  }

  const sources: Record<string, () => Promise<VectorSource & AsyncDisposable>> = {
    'tables in this process': () => openTables(tablesFile),
    'two memory nodes': async () => {
      const { routing, transport } = await loopbackCluster({ tables: tablesFile, nodes: 2, split: 'row' });
      return await openRanker({ routing, transport });
    },
  };
  test.for(Object.entries(sources))(
    'has its probabilities from %s, one request at a time and all at once',
    async ([, open]) => {
      const { all, probs } = await requests();
      await using source = await open();
      await using scorer = await openScorer({ source, dense: denseFile, denseThreads: 2 });
      const together = await Promise.all(all.map((request) => scorer.score(request)));
      const alone = await scorer.score(all[0]);
      const off = together.map((scores, i) => Math.abs(scores.outputs.prob[0] - probs[i]));
      expect(all).toHaveLength(200);
      expect(Math.max(...off)).toBeLessThan(1e-5);
      expect(Math.abs(alone.outputs.prob[0] - probs[0])).toBeLessThan(1e-5);
      expect(scorer.stats.batches).toBeLessThan(100);
    },
  );

  test('goes on after a thread of the networks has ended', async () => {
    await using threads = await opened();
    const run = async (): Promise<number> => {
      const dense = { type: 'float32', data: new Float32Array(10), dims: [1, 10] } as const;
      const pooled = { type: 'float32', data: new Float32Array(13 * 32), dims: [1, 13, 32] } as const;
      return Number((await threads.run(0, { dense, pooled })).logit.data[0]);
    };
    const before = await run();
    const failing = run().catch((error: FlexemrError) => error.code);
    await threads.close();
    expect(['WORKER_FAILED', before]).toContain(await failing);
    expect(await run()).toBe(before);
  });

  test('refuses a file that is not a network', async () => {
    await using source = await openTables(tablesFile);
    const error = await errorOf(openScorer({ source, dense: requestsFile }) as never);
    expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'dense' });
  });
});

async function opened(): Promise<DenseThreads & AsyncDisposable> {
  const threads = await DenseThreads.open([denseFile], 1);
  return Object.assign(threads, { [Symbol.asyncDispose]: () => threads.close() });
}
