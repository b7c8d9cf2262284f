// Requests arrive as they were meant, and scores as they are, whatever form of the protocol carries them.
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRoutes } from '../../src/service/routes.ts';
import { runs } from '../runs.ts';
import { bitsOf, drawnRequest, f32, plainOf, plainOfGiven, requestOf } from './drawn-requests.ts';
import { FakeScoring, signature } from './fake-scoring.ts';
import { type ReadReply, readReply } from './read-reply.ts';
import { bodyOf, choices, first, type WrittenInfer, writeInfer } from './write-infer.ts';

const scoring = new FakeScoring();
let app: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(scoring);
});
afterAll(async () => await app?.close());

const model = `/v2/models/${encodeURIComponent(signature.name)}`;
const version = `${model}/versions/${signature.version}`;

/** Sends a request, and reads the reply. */
async function infer(written: WrittenInfer, path = model): Promise<ReadReply> {
  const reply = await app.inject({ method: 'POST', url: `${path}/infer`, ...bodyOf(written) });
  if (reply.statusCode !== 200) throw new Error(`${reply.statusCode}: ${reply.body}`);
  return readReply(reply.rawPayload, reply.headers);
}

test('a request arrives the same in every form', async () => {
  await fc.assert(
    fc.asyncProperty(drawnRequest, choices, async (request, by) => {
      await infer(writeInfer(request, by), by.pick(2) === 0 ? model : version);
      expect(plainOfGiven(scoring.requests.pop() as never)).toEqual(plainOf(request));
    }),
    { numRuns: runs.scoreRequests },
  );
});

test('scores arrive bit by bit, in JSON and in binary, in the order and of the rows that are asked for', async () => {
  const names = signature.outputs.map(({ name }) => name);
  const asked = fc.record({
    candidates: fc.integer({ min: 1, max: 5 }),
    values: fc.infiniteStream(f32),
    odd: fc.infiniteStream(
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1),
    ),
    outputs: fc.option(fc.subarray([...names, 'index']), { nil: undefined }),
    binary: fc.infiniteStream(fc.constantFrom(true, false, undefined)),
    all: fc.constantFrom(true, false, undefined),
    topK: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
    id: fc.option(fc.string(), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(asked, async ({ candidates, values, odd, outputs, binary, all, topK, id }) => {
      const given = new Map<string, Float32Array>();
      const wanted = outputs?.filter((name) => name !== 'index' || topK !== undefined);
      const list = wanted?.map((name) => ({ name, parameters: { binary_data: binary.next().value } }));
      const isBinary = (name: string): boolean =>
        list?.find((output) => output.name === name)?.parameters.binary_data ?? all ?? false;
      scoring.valuesOf = (name, length) => {
        // JSON has no values that are not finite.
        const mayBeOdd = isBinary(name) && name !== 'score';
        const own = Float32Array.from({ length }, () => (mayBeOdd ? odd : values).next().value);
        given.set(name, own);
        return own;
      };
      const { json, binary: bytes } = writeInfer(requestOf(candidates), first);
      const parameters = { top_k: topK, binary_data_output: all };
      const reply = await infer({ json: { ...json, id, parameters, outputs: list }, binary: bytes });
      expect(reply).toMatchObject({ model_name: signature.name, model_version: signature.version });
      expect(reply.id).toBe(id);
      const own = list?.length ? list.map(({ name }) => name) : names;
      const withIndex = topK === undefined || own.includes('index') ? own : [...own, 'index'];
      expect(reply.outputs.map(({ name }) => name)).toEqual(withIndex);
      const order = Array.from({ length: candidates }, (_, i) => i);
      const scores = given.get('score') ?? new Float32Array();
      if (topK !== undefined) order.sort((a, b) => scores[b] - scores[a] || a - b).splice(topK);
      for (const output of reply.outputs) {
        expect(output.isBinary).toBe(isBinary(output.name));
        if (output.name === 'index') {
          expect(output).toMatchObject({ datatype: 'UINT32', shape: [order.length] });
          expect(Array.from(output.data)).toEqual(order);
          continue;
        }
        const { width } = signature.outputs.find(({ name }) => name === output.name) ?? { width: 0 };
        const rows = order.flatMap((row) => [
          ...(given.get(output.name)?.subarray(row * width, (row + 1) * width) ?? []),
        ]);
        const shape = width === 1 ? [order.length] : [order.length, width];
        expect(output).toMatchObject({ datatype: 'FP32', shape });
        expect(bitsOf(Float32Array.from(output.data))).toEqual(bitsOf(Float32Array.from(rows)));
      }
    }),
    { numRuns: runs.scoreRequests },
  );
  scoring.valuesOf = new FakeScoring().valuesOf;
});

test('JSON has the shortest numbers', async () => {
  scoring.valuesOf = (_name, length) =>
    Float32Array.from({ length }, (_, i) => [0.1, -0, 1e-45, 16777217][i]);
  const { json, binary } = writeInfer(requestOf(4), first);
  const outputs = [{ name: 'score' }];
  const reply = await app.inject({
    method: 'POST',
    url: `${model}/infer`,
    ...bodyOf({ json: { ...json, outputs }, binary }),
  });
  expect(reply.body).toContain('"data":[0.1,-0.0,1e-45,16777216]');
  scoring.valuesOf = new FakeScoring().valuesOf;
});

test.for([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  '%s is not sent as JSON, but as binary data',
  async (odd) => {
    scoring.valuesOf = (_name, length) => Float32Array.from({ length }, (_, i) => (i === 1 ? odd : i));
    const written = writeInfer(requestOf(3), first);
    const reply = await app.inject({ method: 'POST', url: `${model}/infer`, ...bodyOf(written) });
    expect([reply.statusCode, reply.json()]).toEqual([
      406,
      { error: expect.stringContaining(`output "score": element 1 is ${odd}, which JSON does not have`) },
    ]);
    const parameters = { binary_data_output: true };
    const { outputs } = await infer({ ...written, json: { ...written.json, parameters } });
    expect(Array.from(outputs[0].data)).toEqual([0, odd, 2]);
    scoring.valuesOf = new FakeScoring().valuesOf;
  },
);
