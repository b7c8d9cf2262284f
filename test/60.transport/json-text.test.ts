// Compares reading and writing JSON in slices with JSON.parse and JSON.stringify.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonDepthMax } from '../../src/limits.ts';
import { parseJson } from '../../src/transport/json-parser.ts';
import { jsonPieces } from '../../src/transport/json-writer.ts';
import { Slices } from '../../src/wire/slices.ts';
import { runs } from '../runs.ts';

/** Parses a text. */
async function read(text: string | Uint8Array): Promise<{ value: unknown } | 'refused'> {
  try {
    return { value: await parseJson(Buffer.from(text as string), new Slices()) };
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_BAGS', field: 'body' });
    expect((error as Error).message).toMatch(/^the body is not JSON: .*, at byte \d+$/);
    return 'refused';
  }
}

function parsed(text: string): { value: unknown } | 'refused' {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return 'refused';
  }
}

const indent = fc.constantFrom(undefined, 1, '\t', ' \n\r');

test('any JSON gives the value that JSON.parse gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 6 }), indent, async (value, space) => {
      const text = JSON.stringify(value, null, space);
      expect(await read(text)).toStrictEqual(parsed(text));
    }),
    { numRuns: runs.jsonTexts },
  );
});

test('a changed text is parsed or refused like by JSON.parse', async () => {
  const piece = fc.constantFrom(
    ...'{}[],:"\\0123456789-+.eE \n\t\0tfn',
    'true',
    'null',
    '\\u00e9',
    '\\x',
    '1e5',
    '"a":',
  );
  const change = fc.record({ at: fc.nat(), cut: fc.nat({ max: 3 }), put: fc.oneof(piece, fc.constant('')) });
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue({ maxDepth: 3 }),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      async (value, changes) => {
        const text = changes.reduce((made, { at, cut, put }) => {
          const place = at % (made.length + 1);
          return made.slice(0, place) + put + made.slice(place + cut);
        }, JSON.stringify(value));
        expect([text, await read(text)]).toStrictEqual([text, parsed(text)]);
      },
    ),
    { numRuns: runs.jsonTexts },
  );
});

test.for([
  '{"__proto__":{"keys":[1]},"a":1,"a":2,"b":3,"a":4}',
  '{"":0,"constructor":1,"toString":2,"2":3,"1":4}',
  '[-0,0,1e400,-1e400,123456789012345678901234567890,0.1,1E+2,999999999999999,1000000000000000]',
  '"\\u0000\\ud800\\ud83d\\ude00é€😀"',
  '',
  ' ',
  '01',
  '-',
  '1.',
  '.5',
  '1e',
  '+1',
  'nul',
  'truely',
  '[1 2]',
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  '"a\nb"',
  '1 1',
  '{}}',
])('%s', async (text) => {
  const [got, wanted] = [await read(text), parsed(text)];
  expect(got).toStrictEqual(wanted);
  if (got !== 'refused' && wanted !== 'refused')
    expect(Object.keys(got.value ?? {})).toEqual(Object.keys(wanted.value ?? {}));
});

test('a byte-order mark is skipped, and invalid UTF-8 is replaced like by Buffer.toString', async () => {
  expect(await read('\ufeff{"a":1}')).toEqual({ value: { a: 1 } });
  const bytes = Uint8Array.of(0x22, 0x61, 0xff, 0xc3, 0x22);
  expect(await read(bytes)).toEqual({ value: JSON.parse(Buffer.from(bytes).toString('utf8')) });
});

test('a text that is nested too deeply is refused', async () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  expect(await read(nested(jsonDepthMax))).not.toBe('refused');
  expect(await read(nested(jsonDepthMax + 1))).toBe('refused');
  expect(await read('['.repeat(1_000_000))).toBe('refused');
});

test('any plain data gives the text that JSON.stringify gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      const pieces = await jsonPieces(value, new Slices());
      expect(Buffer.concat(pieces).toString()).toBe(`${JSON.stringify(value)}\n`);
    }),
    { numRuns: runs.jsonTexts },
  );
  const large = {
    a: Array.from({ length: 10_000 }, (_, i) => [i, 'é']),
    b: Array.from({ length: 9_999 }, (_, i) => i / 7),
    c: undefined,
  };
  expect(Buffer.concat(await jsonPieces(large, new Slices())).toString()).toBe(`${JSON.stringify(large)}\n`);
});

test('an array of f32 has the shortest numbers that are read back as the same', async () => {
  const bits = fc.array(fc.nat({ max: 2 ** 32 - 1 }), { maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(bits, async (words) => {
      const values = new Float32Array(Uint32Array.from(words).buffer);
      const text = Buffer.concat(await jsonPieces({ values }, new Slices())).toString();
      const { values: back } = JSON.parse(text) as { values: (number | string)[] };
      expect(Float32Array.from(back, Number)).toEqual(values);
      for (const [i, number] of back.entries()) {
        if (typeof number === 'string') continue;
        // No number with a digit less is the same f32.
        const [digits] = /[1-9]\d*/.exec(Math.abs(number).toExponential().replace('.', '')) ?? ['1'];
        const shorter = Number(values[i].toPrecision(Math.max(1, digits.replace(/0+$/, '').length - 1)));
        if (digits.length > 1) expect(Math.fround(shorter)).not.toBe(values[i]);
      }
    }),
    { numRuns: runs.jsonTexts },
  );
});
