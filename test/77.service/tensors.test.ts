// A request that is wrong is refused with an error that names the tensor, and says what the model takes.
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { candidatesMax, scoreBytesMax } from '../../src/scoring-limits.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { requestOf } from './drawn-requests.ts';
import { FakeScoring } from './fake-scoring.ts';
import { changed, sendInfer } from './send-infer.ts';
import { bodyOf, first, rawJson, type WrittenInput, writeInfer } from './write-infer.ts';

let app: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(new FakeScoring());
});
afterAll(async () => await app?.close());

/** One where an input is replaced by others. */
function replaced(name: string, ...inputs: Partial<WrittenInput>[]): object {
  return changed((all) => {
    const kept = all.filter((input) => input.name !== name && !input.name.startsWith(`${name}__`));
    all.splice(0, all.length, ...kept, ...(inputs as WrittenInput[]));
  });
}

const values = { name: 'genres__values', datatype: 'INT64', shape: [2], data: [1, 2] };
const offsets = { name: 'genres__offsets', datatype: 'INT32', shape: [2], data: [0, 2] };
const lengths = { name: 'genres__lengths', datatype: 'INT32', shape: [1], data: [2] };
const plain = { name: 'genres', datatype: 'INT64', shape: [1, 2], data: [1, 2] };
const stats = { name: 'stats', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] };

describe('an error names the tensor, and what is wrong with it', () => {
  test.for<[string, object, RegExp]>([
    [
      'a missing feature',
      replaced('genres'),
      /^input "genres": it is missing.*genres__values with genres__offsets/,
    ],
    [
      'keys alone',
      replaced('genres', values),
      /^input "genres": it is missing or not complete; give genres__values/,
    ],
    ['offsets alone', replaced('genres', offsets), /^input "genres": it is missing or not complete/],
    [
      'offsets and lengths',
      replaced('genres', values, offsets, lengths),
      /has genres__offsets and genres__lengths/,
    ],
    [
      'both forms',
      replaced('genres', plain, values, offsets),
      /^input "genres": other tensors of this input are there/,
    ],
    ['an input twice', replaced('genres', plain, plain), /^inputs\[\d\]: "genres" is there twice/],
    [
      'an unknown input',
      replaced('x', { ...plain, name: 'genre' }),
      /^input "genre": the model has no such input; it has user, genres/,
    ],
    [
      'keys that are floats',
      replaced('genres', { ...plain, datatype: 'FP32' }),
      /^input "genres": its datatype is FP32, but must be one of UINT8/,
    ],
    [
      'keys that are bytes',
      replaced('genres', { ...plain, datatype: 'BYTES' }),
      /^input "genres": its datatype is BYTES/,
    ],
    [
      'an unknown datatype',
      replaced('genres', { ...plain, datatype: 'INT128' }),
      /^inputs\[\d\].datatype: expected one of UINT8/,
    ],
    [
      'three dimensions',
      replaced('genres', { ...plain, shape: [1, 1, 2] }),
      /^input "genres": its shape is \[1, 1, 2\]; give/,
    ],
    [
      'a list of two rows',
      replaced('genres', { ...values, shape: [2, 1] }, offsets),
      /^input "genres__values": its shape is \[2, 1\], but must be \[n\] or \[1, n\]/,
    ],
    [
      'more elements than the shape',
      replaced('genres', { ...plain, data: [1, 2, 3] }),
      /^input "genres": its shape is \[1, 2\], but data has 3 elements/,
    ],
    [
      'other nesting than the shape',
      replaced('genres', { ...plain, shape: [2, 2], data: [[1, 2], [3]] }),
      /nested like this in part 1/,
    ],
    [
      'too many parts',
      replaced('genres', {
        ...plain,
        data: [
          [1, 2],
          [3, 4],
        ],
      }),
      /^input "genres": its shape is \[1, 2\], but data has 2 parts/,
    ],
    [
      'too deep nesting',
      replaced('genres', { ...plain, data: [[[1], [2]]] }),
      /^input "genres", element 0: an array is not a value of INT64/,
    ],
    [
      'an integer that is not exact',
      replaced('genres', { ...plain, data: [1, rawJson('9007199254740993')] }),
      /^input "genres", element 1: 9007199254740992 is above 2\^53 − 1.*decimal string/,
    ],
    [
      'an integer that is too large',
      replaced('genres', { ...plain, datatype: 'INT8', data: [1, 128] }),
      /^input "genres", element 1: 128 is not a value of INT8/,
    ],
    [
      'text that is too large',
      replaced('genres', { ...plain, datatype: 'UINT64', data: ['1', '18446744073709551616'] }),
      /element 1: "18446744073709551616" is not a value of UINT64/,
    ],
    [
      'text of a narrow type',
      replaced('genres', { ...plain, datatype: 'INT32', data: ['1', '2'] }),
      /element 0: "1" is not a value of INT32/,
    ],
    [
      'half an integer',
      replaced('genres', { ...plain, data: [1, 0.5] }),
      /element 1: 0.5 is not a value of INT64/,
    ],
    ['no data', replaced('genres', { ...plain, data: undefined }), /^input "genres": its data is missing/],
    [
      'data that is no array',
      replaced('genres', { ...plain, data: 'AAAA' }),
      /^input "genres": its data is "AAAA"/,
    ],
    [
      'data twice',
      replaced('genres', { ...plain, parameters: { binary_data_size: 16 } }),
      /data or binary_data_size, not both/,
    ],
    [
      'shared memory',
      replaced('genres', { ...plain, parameters: { shared_memory_region: 'r' } as never }),
      /^inputs\[\d\].parameters.shared_memory_region: there is no field/,
    ],
    [
      'a shape of −1',
      replaced('genres', { ...plain, shape: [-1, 2] }),
      /^inputs\[\d\].shape\[0\]: expected an integer from 0/,
    ],
    [
      'a shape that is too long',
      replaced('genres', { ...plain, shape: new Array(9).fill(1) }),
      /shape: expected an array of at most 8 sizes/,
    ],
    [
      'millions of empty bags',
      replaced('genres', { ...plain, shape: [candidatesMax + 1, 0], data: [] }),
      /^input "genres": 65537 bags/,
    ],
    [
      'a missing dense input',
      replaced('stats'),
      /^input "stats": it is missing; give FP32 with a shape of \[candidates, 3\]/,
    ],
    [
      'a row of another width',
      replaced('stats', { ...stats, shape: [3, 1] }),
      /^input "stats": its shape is \[3, 1\], but must be \[candidates, 3\]/,
    ],
    [
      'integers for floats',
      replaced('stats', { ...stats, datatype: 'INT32' }),
      /^input "stats": its datatype is INT32, but must be one of FP16, FP32, FP64/,
    ],
    [
      'FP16 in JSON',
      replaced('stats', { ...stats, datatype: 'FP16' }),
      /^input "stats": FP16 has no form in JSON/,
    ],
    [
      'a float that is text',
      replaced('stats', { ...stats, data: [1, '2', 3] }),
      /^input "stats", element 1: "2" is not a number/,
    ],
    [
      'a float that is null',
      replaced('stats', { ...stats, data: [null, 2, 3] }),
      /^input "stats", element 0: null is not a number/,
    ],
    [
      'a float that is too large',
      replaced('stats', { ...stats, datatype: 'FP64', data: [1, 1e39, 3] }),
      /^input "stats", element 1: 1e\+39 is too large/,
    ],
    [
      'a float past all floats',
      replaced('stats', { ...stats, data: [1, 2, rawJson('1e999')] }),
      /^input "stats", element 2: Infinity is too large/,
    ],
    [
      'a key that is not in the table',
      replaced('genres', { ...values, data: [1, 666] }, offsets),
      /^genres__values\[1\] = 666 is not in table genres/,
    ],
    [
      'such a key in a plain tensor',
      replaced('genres', { ...plain, data: [666, 1] }),
      /^genres\[0\] = 666 is not in table genres/,
    ],
    [
      'offsets past the keys',
      replaced('genres', values, { ...offsets, data: [0, 3] }),
      /^genres__offsets\[1\] = 3 is past the end of the 2 keys/,
    ],
    [
      'lengths past the keys',
      replaced('genres', values, { ...lengths, data: [3] }),
      /^genres__lengths\[0\] = 3 makes the bags end past/,
    ],
    [
      'an unknown output',
      changed((_, json) => (json.outputs = [{ name: 'scores' }])),
      /^outputs: the model has no output "scores", but score, vector, toString/,
    ],
    [
      'index without top_k',
      changed((_, json) => (json.outputs = [{ name: 'index' }])),
      /it comes with top_k/,
    ],
    [
      'an output twice',
      changed((_, json) => (json.outputs = [{ name: 'score' }, { name: 'score' }])),
      /^outputs\[1\]: "score" is there twice/,
    ],
    [
      'classification',
      changed((_, json) => (json.outputs = [{ name: 'score', parameters: { classification: 3 } }])),
      /^outputs\[0\].parameters.classification: there is no field/,
    ],
    [
      'no best candidates',
      changed((_, json) => (json.parameters = { top_k: 0 })),
      /^parameters.top_k: expected an integer from 1/,
    ],
    [
      'a deadline that has passed',
      changed((_, json) => (json.parameters = { deadline_ms: 0 })),
      /^parameters.deadline_ms: expected milliseconds/,
    ],
    [
      'a misspelt parameter',
      changed((_, json) => (json.parameters = { topk: 1 })),
      /^parameters.topk: there is no field/,
    ],
    ['an id that is no text', changed((_, json) => ((json as { id: unknown }).id = 7)), /^id: expected/],
    ['no inputs', changed((_, json) => delete (json as { inputs?: unknown }).inputs), /^inputs: is missing/],
    ['no object', { payload: '[]' }, /^body: expected an object, not an array/],
    ['no body', {}, /^the body is not JSON: it ends too early/],
    ['half an object', { payload: '{"inputs":[' }, /^the body is not JSON: .* at byte 11/],
    ['too deep JSON', { payload: `{"inputs":${'['.repeat(99)}` }, /nests deeper than 32 levels/],
  ])('%s', async ([, body, wanted]) => {
    const { status, error } = await sendInfer(app, body);
    expect(error).toMatch(wanted);
    expect(status).toBe(error.includes('65537') ? 413 : 400);
  });
});

describe('binary data', () => {
  const written = writeInfer(requestOf(2), first, 'binary');
  const { payload, headers } = bodyOf(written);
  const jsonLength = headers['inference-header-content-length'];
  const withLength = (length: string): object => ({
    payload,
    headers: { ...headers, 'inference-header-content-length': length },
  });
  const sized = (size: number): object => {
    const [input, ...others] = written.json.inputs;
    const inputs = [{ ...input, parameters: { binary_data_size: size } }, ...others];
    return bodyOf({
      json: { inputs },
      binary: Buffer.concat([written.binary ?? Buffer.alloc(0), Buffer.alloc(1)]),
    });
  };
  const own = written.json.inputs[0].parameters?.binary_data_size ?? 0;

  test.for<[string, object, RegExp]>([
    [
      'a body that ends early',
      { payload: payload.subarray(0, -3), headers },
      /the body ends \d bytes before its binary data does/,
    ],
    [
      'bytes after the last tensor',
      { payload: Buffer.concat([payload, Buffer.alloc(5)]), headers },
      /^body: 5 bytes follow the binary data/,
    ],
    [
      'a header past the body',
      withLength(String(payload.length + 1)),
      /^inference-header-content-length: expected how many of the \d+ bytes/,
    ],
    ['a header that is no number', withLength('-1'), /^inference-header-content-length: .* not "-1"/],
    [
      'a header that ends within the JSON',
      withLength(String(Number(jsonLength) - 2)),
      /^the body is not JSON/,
    ],
    [
      'a header that ends after the JSON',
      withLength(String(Number(jsonLength) + 2)),
      /^the body is not JSON/,
    ],
    [
      'no header',
      { payload: JSON.stringify(written.json) },
      /for binary data the header inference-header-content-length is needed/,
    ],
    ['a size of other elements', sized(own + 1), /binary_data_size is \d+ and not \d+ × \d/],
    ['a size past all limits', sized(scoreBytesMax + 1), /binary_data_size: expected an integer from 0 to/],
  ])('refuses %s', async ([, body, wanted]) => {
    const { status, error } = await sendInfer(app, body);
    expect(error).toMatch(wanted);
    expect(status).toBe(400);
  });

  test('has a finite number of 64 bits that is too large for 32', async () => {
    const [stats] = written.json.inputs.filter(({ name }) => name === 'stats');
    const binary = Buffer.from(Float64Array.of(1, 2, 3, 4, 1e39, Number.POSITIVE_INFINITY).buffer);
    const others = writeInfer(requestOf(2), first, 'json').json.inputs.filter(({ name }) => name !== 'stats');
    const input = { ...stats, datatype: 'FP64', shape: [2, 3], parameters: { binary_data_size: 48 } };
    const { error } = await sendInfer(app, bodyOf({ json: { inputs: [...others, input] }, binary }));
    expect(error).toMatch(/^input "stats", element 4: 1e\+39 is too large for 32 bits/);
  });
});
