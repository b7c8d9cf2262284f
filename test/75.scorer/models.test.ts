// Models of any shape give each candidate what it gets alone, with everything said out.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bags, type FlexemrError, type Model, type ScoreRequest, Tables } from '../../src/index.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import type { ModelInput } from '../../src/model/model.ts';
import { checkModel, parseModel } from '../../src/model/model-json.ts';
import { planModel } from '../../src/model/model-plan.ts';
import { Scorer } from '../../src/scorer/scorer.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { runs } from '../runs.ts';
import { Adder, type AdderShape } from './adder.ts';

const rows = 30;
/** Two of one dim, one of another, and a sequence. */
const specs = [
  { name: 'user', rows, dim: 4, mode: 'sum' },
  { name: 'item', rows, dim: 4, mode: 'mean' },
  { name: 'shop', rows, dim: 3, mode: 'max' },
  { name: 'past', rows, dim: 2, mode: 'none' },
] as const;
const names = specs.map(({ name }) => name);

let tables: Tables;
beforeAll(async () => {
  tables = new Tables({ slotBytes: 2 ** 20 });
  for (const spec of specs)
    await tables.add(spec, {
      rows: Float32Array.from({ length: rows * spec.dim }, (_, i) => Math.fround(Math.sin(i + spec.dim))),
    });
});
afterAll(async () => await tables?.close());

/** A network that sees the user alone, one that sees the sequence, one that takes every kind of input. */
const shapes: readonly AdderShape[] = [
  { inputs: { profile: [2], user: [4] }, outputs: { taste: [3] } },
  { inputs: { values: [2], offsets: [] }, outputs: { history: [] } },
  {
    inputs: {
      ...{ profile: [2], price: [1], taste: [3], history: [], stack: [2, 4], concat: [7], shop: [3] },
      ...{ past: [2, 2], lengths: [] },
    },
    outputs: { logit: [], both: [2] },
  },
];
const inputsOf: readonly (readonly ModelInput[])[] = [
  [
    { name: 'profile', dense: 2 },
    { name: 'user', feature: 'user' },
  ],
  [
    { name: 'values', sequence: 'past' },
    { name: 'offsets', offsets: 'past' },
  ],
  [
    { name: 'profile', dense: 2 },
    { name: 'price', dense: 1 },
    { name: 'taste', output: 'taste' },
    { name: 'history', output: 'history' },
    { name: 'stack', stack: ['item', 'user'] },
    { name: 'concat', concat: ['shop', 'user'] },
    { name: 'shop', feature: 'shop' },
    { name: 'past', sequence: 'past', length: 2 },
    { name: 'lengths', lengths: 'past' },
  ],
];
const model: Model = {
  ...{ name: 'every', version: '3', score: 'logit' },
  features: names.map((name) => ({ name, table: name })),
  networks: inputsOf.map((inputs, i) => ({ file: `adder${i}.onnx`, inputs })),
  outputs: [{ name: 'logit' }, { name: 'prob', from: 'logit', sigmoid: true }, { name: 'both' }],
};

function scorerOf(adder: Adder, batchCandidates = 8): Scorer {
  const batching = { batchCandidates, batchDelay: 0, queueCandidates: 1_000 };
  const plan = planModel(model, adder.networks, tables.specs);
  return new Scorer({ source: tables, dense: adder, plan, batching, tracer: undefined, observer: undefined });
}

const drawn = fc.record({
  seed: fc.nat(),
  candidates: fc.integer({ min: 1, max: 5 }),
  /** What is said once for all candidates: of features, then of dense inputs. */
  once: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** What one candidate has: keys by feature, values by dense input. */
interface Candidate {
  readonly keys: readonly (readonly number[])[];
  readonly dense: readonly (readonly number[])[];
}

function candidatesOf({ seed, candidates, once }: Drawn): Candidate[] {
  const random = randomOf(seed);
  const draw = (): Candidate => ({
    keys: specs.map(() =>
      Array.from({ length: Math.floor(random() * 5) }, () => Math.floor(random() * rows)),
    ),
    dense: [2, 1].map((width) => Array.from({ length: width }, () => Math.fround(random()))),
  });
  const first = draw();
  return Array.from({ length: candidates }, () => {
    const own = draw();
    return {
      keys: own.keys.map((keys, i) => (once[i] ? first.keys[i] : keys)),
      dense: own.dense.map((values, i) => (once[4 + i] ? first.dense[i] : values)),
    };
  });
}

/** A request of these candidates. What `once` names is said once. */
function requestOf(all: readonly Candidate[], once: readonly boolean[]): ScoreRequest {
  const saidOf = (place: number): readonly Candidate[] => (once[place] ? all.slice(0, 1) : all);
  const bags = names.map((name, i): [string, Bags] => {
    const said = saidOf(i).map(({ keys }) => keys[i]);
    return [name, { keys: said.flat(), lengths: said.map(({ length }) => length) }];
  });
  const dense = ['profile', 'price'].map((name, i): [string, Float32Array] => [
    name,
    Float32Array.from(saidOf(4 + i).flatMap((candidate) => candidate.dense[i])),
  ]);
  return { bags: Object.fromEntries(bags), dense: Object.fromEntries(dense) };
}

/** The scores of one candidate, computed from its rows without a scorer. */
async function expected({ keys, dense }: Candidate): Promise<number> {
  const add = (values: readonly number[]): number =>
    values.reduce((sum, value) => Math.fround(sum + value), 0);
  const bags = names.map((name, i): [string, Bags] => [name, { keys: keys[i], lengths: [keys[i].length] }]);
  const found = await tables.lookup(Object.fromEntries(bags));
  const [user, item, shop, past] = names.map((name) => Array.from(found.get(name)?.values ?? []));
  const taste = add([...dense[0], ...user]);
  const padded = [...past, 0, 0, 0, 0].slice(0, 4);
  return add([
    ...dense.flat(),
    ...[taste, taste * 2, taste * 3].map(Math.fround),
    ...[add(past), ...item, ...user, ...shop, ...user, ...shop],
    ...[...padded, Math.min(2, keys[3].length)],
  ]);
}

test('any model gives each candidate what it gets alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(drawn, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 12 }),
      async (all, batchCandidates) => {
        const adder = new Adder(shapes);
        await using scorer = scorerOf(adder, batchCandidates);
        const candidates = all.map(candidatesOf);
        const scores = await Promise.all(
          all.map((own, i) => scorer.score(requestOf(candidates[i], own.once), { topK: 3 })),
        );
        for (const [i, { outputs, top, candidates: count }] of scores.entries()) {
          // If everything is said once, the request has one candidate.
          expect(count).toBe(all[i].once.every(Boolean) ? 1 : all[i].candidates);
          const logits = await Promise.all(candidates[i].slice(0, count).map(expected));
          expect(outputs.logit).toEqual(Float32Array.from(logits));
          expect(outputs.prob).toEqual(outputs.logit.map((logit) => 1 / (1 + Math.exp(-logit))));
          expect(outputs.both).toEqual(Float32Array.from(logits.flatMap((logit) => [logit, logit * 2])));
          const ranked = [...logits.keys()].sort((a, b) => outputs.logit[b] - outputs.logit[a] || a - b);
          expect(top).toEqual(Uint32Array.from(ranked.slice(0, 3)));
        }
      },
    ),
    { numRuns: runs.scoredBatches },
  );
});

test('a network whose inputs are said once runs for one row', async () => {
  const adder = new Adder(shapes);
  await using scorer = scorerOf(adder);
  const said = { seed: 7, candidates: 5, once: [true, false, false, true, true, false] };
  await scorer.score(requestOf(candidatesOf(said), said.once));
  expect(adder.rows).toEqual([[1], [1], [5]]);
});

describe('a model that does not fit', () => {
  const infos = new Adder(shapes).networks;
  const change = (more: object): Model => ({ ...model, ...more });
  const network = (at: number, inputs: readonly object[]): Model =>
    change({ networks: model.networks.map((own, i) => (i === at ? { ...own, inputs } : own)) });
  test.for<[string, Model, RegExp]>([
    ['a table that does not exist', change({ features: [{ name: 'user', table: 'users' }] }), /users/],
    ['two features of one name', change({ features: [...model.features, model.features[0]] }), /two .* user/],
    ['an input left out', network(0, inputsOf[0].slice(1)), /profile/],
    ['an input that is not there', network(0, [...inputsOf[0], { name: 'x', dense: 1 }]), /no input x/],
    [
      'a dense input of another width',
      network(0, [{ name: 'profile', dense: 3 }, inputsOf[0][1]]),
      /\[b, 2\].*\[b, 3\]/,
    ],
    [
      'an unknown feature',
      network(0, [inputsOf[0][0], { name: 'user', feature: 'u' }]),
      /u is not a feature/,
    ],
    [
      'a sequence as a vector',
      network(0, [inputsOf[0][0], { name: 'user', feature: 'past' }]),
      /past has mode none/,
    ],
    ['a vector as a sequence', network(1, [{ name: 'values', sequence: 'user' }, inputsOf[1][1]]), /pooled/],
    [
      'an output of a later network',
      network(0, [inputsOf[0][0], { name: 'user', output: 'history' }]),
      /earlier/,
    ],
    [
      'features of two dims stacked',
      network(2, inputsOf[2].with(4, { name: 'stack', stack: ['item', 'shop'] })),
      /stacked/,
    ],
    ['an output that is not there', change({ outputs: [{ name: 'p' }] }), /p is not an output/],
    [
      'an output with the name of the ranking',
      change({ outputs: [{ name: 'index', from: 'logit' }] }),
      /index/,
    ],
    ['a score of two values', change({ score: 'both' }), /both is not an output with one value/],
  ])('is refused: %s', ([, wrong, words]) => {
    const refusal = thrownBy(() => planModel(checkModel(wrong, 'm'), infos, tables.specs));
    expect(refusal).toMatchObject({ code: 'INVALID_FILE', message: expect.stringMatching(words) });
  });

  test.for<[string, unknown, string]>([
    ['no name', { ...model, name: undefined }, 'name'],
    ['a name that is a path', { ...model, name: '../x' }, 'name'],
    [
      'two kinds of input',
      { ...model, networks: [{ file: 'f', inputs: [{ name: 'x', dense: 1, feature: 'user' }] }] },
      'networks[0].inputs[0]',
    ],
    [
      'no kind of input',
      { ...model, networks: [{ file: 'f', inputs: [{ name: 'x' }] }] },
      'networks[0].inputs[0]',
    ],
    ['a misspelt field', { ...model, output: [] }, 'output'],
    ['no networks', { ...model, networks: [] }, 'networks'],
  ])('is refused as JSON: %s', ([, wrong, field]) => {
    expect(thrownBy(() => parseModel(JSON.stringify(wrong), 'm.json'))).toMatchObject({
      code: 'INVALID_FILE',
      field,
    });
  });

  test('is read back as it was written', () => {
    expect(parseModel(JSON.stringify(model), 'm.json')).toEqual(model);
    expect(thrownBy(() => parseModel('{', 'm.json'))).toMatchObject({ code: 'INVALID_FILE' });
  });
});

test('a description names what each input is', () => {
  const shape: AdderShape = {
    inputs: { numbers: [5], user: [4], past: [undefined, 2], all: [11] },
    outputs: { logit: [] },
  };
  const { networks } = new Adder([shape]);
  const described = describeModel(networks, tables.specs, 'm');
  expect(described.networks[0].inputs).toEqual([
    { name: 'numbers', dense: 5 },
    { name: 'user', feature: 'user' },
    { name: 'past', sequence: 'past', length: undefined },
    { name: 'all', concat: ['user', 'item', 'shop'] },
  ]);
  const odd = new Adder([{ inputs: { odd: [2, 2, 2] }, outputs: { logit: [] } }]).networks;
  expect(thrownBy(() => describeModel(odd, tables.specs, 'm'))).toMatchObject({
    code: 'INVALID_FILE',
    value: 'odd',
  });
});

function thrownBy(work: () => unknown): FlexemrError {
  try {
    work();
  } catch (error) {
    return error as FlexemrError;
  }
  throw new Error('it was accepted');
}
