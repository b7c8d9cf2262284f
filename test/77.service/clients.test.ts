// Clients that leave, that all come at once, and that send more than there is space for.
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { FlexemrError } from '../../src/index.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { requestOf } from './drawn-requests.ts';
import { FakeScoring, signature } from './fake-scoring.ts';
import { Port } from './port.ts';
import { readReply } from './read-reply.ts';
import { bodyOf, first, writeInfer } from './write-infer.ts';

const bodiesBytes = 1_048_576;
let scoring: FakeScoring;
let app: FastifyInstance;
let port: Port;
beforeAll(async () => {
  app = await openRoutes(
    {
      signature,
      score: (request, options) => scoring.score(request, options),
    },
    { bodiesBytes },
  );
  port = await Port.open(app);
});
beforeEach(() => {
  scoring = new FakeScoring();
});
afterAll(async () => {
  await port?.[Symbol.asyncDispose]();
  await app?.close();
});

const url = `/v2/models/${encodeURIComponent(signature.name)}/infer`;

function written(id: string, ages: readonly number[]): { payload: Buffer; headers: Record<string, string> } {
  const dense = [Float32Array.from(ages), new Float32Array(3)];
  const { json, binary } = writeInfer({ ...requestOf(ages.length), dense }, first, 'binary');
  const { payload, headers } = bodyOf({ json: { ...json, id }, binary });
  return { payload, headers: { ...headers, 'content-length': String(payload.length) } };
}

test('a client that leaves ends its request, and nobody else’s', async () => {
  const gate = Promise.withResolvers<void>();
  scoring.gate = gate.promise;
  const { payload, headers } = written('stays', [1]);
  const stays = port.post(url, headers, payload);
  await expect.poll(() => scoring.options.length).toBe(1);
  const leaver = await port.begin(url, headers, payload);
  await expect.poll(() => scoring.options.length).toBe(2);
  leaver.destroy();
  await expect.poll(() => scoring.options[1].signal?.aborted).toBe(true);
  expect(scoring.options[0].signal?.aborted).toBe(false);
  gate.resolve();
  expect((await stays).statusCode).toBe(200);
  expect(scoring.options[0].signal?.aborted).toBe(false);
});

/** A request in JSON that takes almost all of the space. */
function large(): { payload: Buffer; headers: Record<string, string> } {
  const { payload, headers } = bodyOf(writeInfer(requestOf(1), first, 'json'));
  const padded = Buffer.concat([payload, Buffer.alloc(bodiesBytes - 100 - payload.length, 32)]);
  return { payload: padded, headers: { ...headers, 'content-length': String(padded.length) } };
}

test('while a request takes all of the space, others are refused, until its client leaves', async () => {
  const { payload, headers } = written('small', [1]);
  for (let i = 0; i < 3; i++) {
    scoring = new FakeScoring();
    scoring.gate = new Promise(() => {});
    const leaver = await port.begin(url, large().headers, large().payload);
    await expect.poll(() => scoring.options.length).toBe(1);
    scoring.gate = Promise.resolve();
    const refused = await port.post(url, headers, payload);
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '1']);
    leaver.destroy();
    await expect.poll(async () => (await port.post(url, headers, payload)).statusCode).toBe(200);
  }
});

test('clients that leave in the middle of their requests free the space', async () => {
  const { payload, headers } = large();
  for (let i = 0; i < 5; i++)
    (await port.begin(url, headers, payload.subarray(0, bodiesBytes / 2))).destroy();
  await expect.poll(async () => (await port.post(url, headers, payload)).statusCode).toBe(200);
});

test('many requests at once each get their own scores', async () => {
  const answers = Array.from({ length: 100 }, async (_, i) => {
    const ages = [i, i + 0.5, -i];
    scoring.valuesOf = (name, length, { dense = {} }) =>
      name === 'score' ? Float32Array.from(dense.age) : new Float32Array(length);
    const { payload, headers } = written(`request ${i}`, ages);
    const answer = await port.post(url, headers, payload);
    const { id, outputs } = readReply(answer.rawPayload, answer.headers);
    expect([id, Array.from(outputs[0].data)]).toEqual([`request ${i}`, ages]);
  });
  await Promise.all(answers);
});

test('large requests arrive in pieces, and are answered in pieces', async () => {
  const ages = Array.from({ length: 40_000 }, (_, i) => i);
  const { payload, headers } = written('large', ages);
  expect(payload.length).toBeGreaterThan(150_000);
  scoring.valuesOf = (_name, length) => Float32Array.from({ length }, (_, i) => i / 3);
  const json = bodyOf({
    ...writeInfer(
      { ...requestOf(40_000), dense: [Float32Array.from(ages), new Float32Array(3)] },
      first,
      'json',
    ),
  });
  const [inBinary, inJson] = [
    await port.post(url, headers, payload),
    await port.post(url, json.headers, json.payload),
  ];
  for (const { rawPayload, headers: answered } of [inBinary, inJson]) {
    const { outputs } = readReply(rawPayload, answered);
    expect(outputs[1].shape).toEqual([40_000, 2]);
    expect(Float32Array.from(outputs[1].data)).toEqual(
      Float32Array.from({ length: 80_000 }, (_, i) => i / 3),
    );
    expect(Number(answered['content-length'])).toBe(rawPayload.length);
  }
});

test('names that tensors cannot have are refused at the start', async () => {
  const dense = [{ name: 'genres__values', width: 1 }];
  const opened = openRoutes({ signature: { ...signature, dense }, score: () => Promise.reject() });
  await expect(opened).rejects.toMatchObject({ code: 'INVALID_OPTION', value: 'genres__values' });
});

test('without Fastify an error says what to install', async () => {
  vi.resetModules();
  vi.doMock('fastify', () => {
    throw new Error('Cannot find package');
  });
  const routes = await import('../../src/service/routes.ts');
  const error: FlexemrError = await routes.openRoutes(new FakeScoring()).catch((caught) => caught);
  expect(error).toMatchObject({ code: 'MISSING_DEPENDENCY', field: 'fastify' });
  expect(error.message).toContain('npm install fastify');
  vi.doUnmock('fastify');
});
