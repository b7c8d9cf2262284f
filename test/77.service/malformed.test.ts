// Whatever a client sends, it gets an answer: scores, or an error that says what is wrong.
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonBytesMax } from '../../src/limits.ts';
import { scoreBytesMax } from '../../src/scoring-limits.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { runs } from '../runs.ts';
import { changedBody, changedJson, changes } from './changed-requests.ts';
import { drawnRequest } from './drawn-requests.ts';
import { FakeScoring } from './fake-scoring.ts';
import { changed, sendInfer } from './send-infer.ts';
import { bodyOf, choices, writeInfer } from './write-infer.ts';

let app: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(new FakeScoring());
});
afterAll(async () => await app?.close());

test('a changed request is answered, or refused with an error of the protocol', async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(drawnRequest, choices, changes, async (request, by, { json, body }) => {
      const written = writeInfer(request, by);
      const sent = changedBody(bodyOf(changedJson(written, json)), body);
      const { status } = await sendInfer(app, sent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect([200, 400, 413, 415]).toContain(status);
      if (json.length + body.length === 0) expect(status).toBe(200);
    }),
    { numRuns: runs.changedScoreRequests },
  );
  expect(statuses.get(400)).toBeGreaterThan(runs.changedScoreRequests / 3);
});

describe('bodies', () => {
  test.for<[string, string, number, RegExp]>([
    ['content-type', 'text/plain', 415, /^content-type is text\/plain: send application\/json or/],
    ['content-type', 'json', 415, /./],
    ['content-encoding', 'gzip', 415, /^content-encoding is gzip/],
  ])('are refused for %s: %s', async ([name, value, wanted, message]) => {
    const { payload, headers } = changed(() => {});
    const { status, error } = await sendInfer(app, { payload, headers: { ...headers, [name]: value } });
    expect([status, error]).toEqual([wanted, expect.stringMatching(message)]);
  });

  test('may have no content-type', async () => {
    const { payload } = changed(() => {});
    expect((await sendInfer(app, { payload })).status).toBe(200);
  });

  test.for<[string, number, Record<string, string>]>([
    ['JSON', jsonBytesMax, {}],
    ['binary data', scoreBytesMax, { 'inference-header-content-length': '9' }],
  ])('of %s have at most %i bytes', async ([, most, headers]) => {
    expect(await sendInfer(app, { payload: Buffer.alloc(most + 1, 32), headers })).toEqual({
      status: 413,
      error: `the body has more than ${most} bytes; split the request, or send large tensors as binary data`,
    });
    expect((await sendInfer(app, { payload: Buffer.alloc(most, 32), headers })).status).toBe(400);
  });

  test('with too much JSON before binary data are refused', async () => {
    const headers = { 'inference-header-content-length': String(jsonBytesMax + 1) };
    const { status, error } = await sendInfer(app, { payload: Buffer.alloc(jsonBytesMax + 9, 32), headers });
    expect([status, error]).toEqual([413, expect.stringContaining('bytes can be JSON')]);
  });
});
