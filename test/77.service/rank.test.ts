// POST /v1/rank: what people write arrives as the request that it means, and the answer ranks the candidates.
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import { candidatesMax } from '../../src/scoring-limits.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { runs } from '../runs.ts';
import { drawnRequest, plainOf, plainOfGiven } from './drawn-requests.ts';
import { FakeScoring, signature } from './fake-scoring.ts';
import { choices } from './write-infer.ts';
import { writeRank } from './write-rank.ts';

const scoring = new FakeScoring();
let app: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(scoring);
});
afterAll(async () => await app?.close());

async function send(payload: string | object): Promise<{ status: number; body: Record<string, never> }> {
  const headers = { 'content-type': 'application/json' };
  const reply = await app.inject({ method: 'POST', url: '/v1/rank', headers, payload });
  return { status: reply.statusCode, body: reply.json() };
}

test('a call arrives as the request that it means', async () => {
  await fc.assert(
    fc.asyncProperty(drawnRequest, choices, async (request, by) => {
      // Without an inverse, and with all bags: people say what they mean.
      const features = request.features.map(({ bags, inverse, weights }) => {
        if (inverse === undefined) return { bags, weights, inverse };
        return { bags: inverse.map((bag) => bags[bag]), weights: undefined, inverse: undefined };
      });
      const said = { ...request, features };
      const each = [
        ...features.map(({ bags }) => bags.length),
        ...said.dense.map(({ length }, i) => length / signature.dense[i].width),
      ];
      fc.pre(request.candidates === 1 || each.some((count) => count > 1));
      const { status, body } = await send(writeRank(said, by));
      expect({ status, body }).toMatchObject({ status: 200 });
      expect(plainOfGiven(scoring.requests.pop() as never)).toEqual(plainOf(said));
    }),
    { numRuns: runs.scoreRequests },
  );
});

const call = {
  user: JSON.parse('{ "user": 1, "__proto__": [2, "3"], "constructor": [], "age": 30, "stats": [1, 2, 3] }'),
  candidates: [
    { genres: 7 },
    { genres: ['18446744073709551615', 8] },
    { genres: { keys: [1, 2], weights: [0.5, 1] } },
  ],
};

test('the answer ranks the candidates, with all outputs', async () => {
  scoring.valuesOf = (name, length) =>
    Float32Array.from({ length }, (_, i) => (name === 'score' ? [0.1, 0.9, Number.NaN][i] : i + 0.1));
  const { status, body } = await send(call);
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      model: signature.name,
      version: signature.version,
      ranked: expect.arrayContaining([
        { candidate: 1, score: 0.9, outputs: { score: 0.9, vector: [2.1, 3.1], toString: 1.1 } },
        { candidate: 2, score: 'NaN', outputs: { score: 'NaN', vector: [4.1, 5.1], toString: 2.1 } },
      ]),
    },
  });
  scoring.valuesOf = new FakeScoring().valuesOf;
});

test('k and deadline_ms go to the scorer, and all candidates are listed without k', async () => {
  const ranked = async (more: object): Promise<number[]> => {
    const { body } = await send({ ...call, ...more });
    return (body.ranked as { candidate: number }[]).map(({ candidate }) => candidate);
  };
  expect(await ranked({})).toEqual([2, 1, 0]);
  expect(await ranked({ k: 2, deadline_ms: 60_000 })).toEqual([2, 1]);
  expect(scoring.options.at(-1)).toMatchObject({ topK: 2, deadline: expect.any(Number) });
});

const others = { ...call.user };
const withGenres = (genres: unknown): object => ({ ...call, candidates: [{ genres: 1 }, { genres }] });
const withUser = (name: string, value: unknown): object => ({ ...call, user: { ...others, [name]: value } });

describe('an error names the path', () => {
  test.for<[string, unknown, string, RegExp, object?]>([
    ['no object', [], 'INVALID_BAGS', /^body: expected an object/],
    ['no candidates', { user: call.user }, 'INVALID_BAGS', /^candidates: is missing/],
    ['an empty list', { ...call, candidates: [] }, 'INVALID_BAGS', /^candidates: expected an array of 1 to/],
    [
      'a candidate that is none',
      { ...call, candidates: [{ genres: 1 }, 7] },
      'INVALID_BAGS',
      /^candidates\[1\]: expected an object, not 7/,
    ],
    ['a user that is none', { ...call, user: 7 }, 'INVALID_BAGS', /^user: expected an object, not 7/],
    ['a misspelt field', { ...call, deadline: 3 }, 'INVALID_BAGS', /^deadline: there is no field/],
    ['a k of 0', { ...call, k: 0 }, 'INVALID_BAGS', /^k: expected an integer from 1/],
    [
      'an unknown feature',
      withUser('genre', 1),
      'INVALID_BAGS',
      /^user.genre: the model has no such input; it has user, genres/,
    ],
    [
      'an unknown feature of a candidate',
      { ...call, candidates: [{ genres: 1, x: 2 }] },
      'INVALID_BAGS',
      /^candidates\[0\].x: the model has no such input/,
    ],
    [
      'a feature of both',
      { ...call, candidates: [{ genres: 1 }, { genres: 1, age: 2 }] },
      'INVALID_BAGS',
      /^candidates\[1\].age: it is in user too/,
    ],
    [
      'a feature of some',
      { ...call, candidates: [{ genres: 1 }, {}] },
      'INVALID_BAGS',
      /^candidates\[1\].genres: it is missing/,
    ],
    [
      'a feature of nobody',
      { ...call, candidates: [{}, {}] },
      'INVALID_BAGS',
      /^candidates\[0\].genres: it is missing/,
    ],
    [
      'nothing of their own',
      { user: { ...others, genres: 1 }, candidates: [{}, {}] },
      'INVALID_BAGS',
      /^candidates: they have nothing of their own/,
    ],
    [
      'a key that is half',
      withGenres(0.5),
      'INVALID_KEY',
      /^candidates\[1\].genres: 0.5 is not an id/,
      { field: 'candidates[1].genres' },
    ],
    ['a key below 0', withGenres(-1), 'INVALID_KEY', /^candidates\[1\].genres: -1 is not an id/],
    [
      'a key that is null',
      withGenres(null),
      'INVALID_BAGS',
      /^candidates\[1\].genres: expected a key, an array of keys, or \{ keys, weights \}, not null/,
    ],
    [
      'a key that is not exact',
      withGenres([1, 2 ** 53]),
      'INVALID_KEY',
      /^candidates\[1\].genres\[1\]: 9007199254740992 is not an id/,
      { field: 'candidates[1].genres', position: 1 },
    ],
    ['keys in keys', withGenres([[1]]), 'INVALID_BAGS', /^candidates\[1\].genres\[0\]: expected a key/],
    [
      'text that is no key',
      withGenres({ keys: [1, 'x'] }),
      'INVALID_KEY',
      /^candidates\[1\].genres.keys\[1\]: "x" is not an id/,
    ],
    [
      'no keys',
      withGenres({ weights: [1] }),
      'INVALID_BAGS',
      /^candidates\[1\].genres.keys: expected an array/,
    ],
    [
      'a misspelt field of a bag',
      withGenres({ keys: [1], weight: [1] }),
      'INVALID_BAGS',
      /^candidates\[1\].genres.weight: there is no field/,
    ],
    [
      'a weight too few',
      withGenres({ keys: [1, 2], weights: [1] }),
      'INVALID_WEIGHTS',
      /^candidates\[1\].genres.weights: expected an array of 2 numbers/,
    ],
    [
      'a weight that is text',
      withGenres({ keys: [1], weights: ['1'] }),
      'INVALID_WEIGHTS',
      /^candidates\[1\].genres.weights\[0\]: "1" is not a number/,
    ],
    [
      'a weight that is too large',
      withGenres({ keys: [1], weights: [1e39] }),
      'INVALID_WEIGHTS',
      /genres.weights\[0\]: 1e\+39 is not a number of 32 bits/,
    ],
    [
      'a row of another width',
      withUser('stats', [1, 2]),
      'INVALID_BAGS',
      /^user.stats: expected an array of 3 numbers, not 2/,
    ],
    [
      'a row that is a number',
      withUser('stats', 1),
      'INVALID_BAGS',
      /^user.stats: expected an array of 3 numbers, not 1/,
    ],
    [
      'a number that is text',
      withUser('stats', [1, 2, '3']),
      'INVALID_BAGS',
      /^user.stats\[2\]: "3" is not a number/,
    ],
    [
      'a number that is too large',
      withUser('age', 1e39),
      'INVALID_BAGS',
      /^user.age\[0\]: 1e\+39 is not a number of 32 bits/,
    ],
    [
      'an unknown key of the user',
      withUser('user', 666),
      'INVALID_KEY',
      /^user.user = 666 is not in table user/,
      { field: 'user.user' },
    ],
    [
      'an unknown key of a candidate',
      { ...call, candidates: [{ genres: [1, 2] }, { genres: [] }, { genres: [3, 666] }] },
      'INVALID_KEY',
      /^candidates\[2\].genres\[1\] = 666 is not in table genres/,
      { field: 'candidates[2].genres', position: 1 },
    ],
    [
      'an unknown key with weights',
      withGenres({ keys: [666], weights: [1] }),
      'INVALID_KEY',
      /^candidates\[1\].genres.keys\[0\] = 666/,
    ],
    ['half an object', '{"user": {', 'INVALID_BAGS', /^the body is not JSON: .* at byte 10/],
  ])('%s', async ([, payload, code, message, place]) => {
    const { status, body } = await send(payload as object);
    expect({ status, body }).toMatchObject({
      status: 422,
      body: { error: { code, message: expect.stringMatching(message), ...place } },
    });
  });
});

test('too many candidates are refused', async () => {
  const { status } = await send({ ...call, candidates: new Array(candidatesMax + 1).fill({}) });
  expect(status).toBe(422);
});

test.for([
  ['OVERLOADED', 429],
  ['DEADLINE_EXCEEDED', 504],
  ['UNAVAILABLE', 503],
  ['LIMIT_EXCEEDED', 413],
  ['INVALID_OFFSETS', 422],
] as const)('an error %s of the scorer is a status %i', async ([code, status]) => {
  scoring.error = new FlexemrError(code, 'it says why');
  expect(await send(call)).toEqual({ status, body: { error: { code, message: 'it says why' } } });
  scoring.error = undefined;
});

test.for(['text/plain', 'application/octet-stream', undefined])(
  'a body of type %s is refused',
  async (type) => {
    const headers = type === undefined ? {} : { 'content-type': type };
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/rank',
      headers,
      payload: Buffer.from(JSON.stringify(call)),
    });
    expect([reply.statusCode, reply.json()]).toEqual([
      415,
      { error: expect.objectContaining({ field: 'content-type' }) },
    ]);
  },
);
