// Valid headers are accepted. Errors for other headers say where they are wrong.
import { describe, expect, test } from 'vitest';
import { prefixBytes } from '../../src/store/header-json.ts';
import type { Dtype } from '../../src/store/safetensors-header.ts';
import { refusal } from '../refusal.ts';
import { expectConsistent, fileOf, parseFile } from './safetensors-files.ts';

describe('headers', () => {
  const fields = (dtype: Dtype, shape: number[], end = 0, begin = 0): string =>
    JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
  const u8 = (name: string, begin: number, end: number): string =>
    `"${name}":${fields('U8', [end - begin], end, begin)}`;
  const max = Number.MAX_SAFE_INTEGER;
  const [a04, b36, b22] = [u8('a', 0, 4), u8('b', 3, 6), u8('b', 2, 2)];
  // What is wrong; the file (header | data, with ^ at the error); the field; the value, unless it is the text after ^.
  const hostile: [string, string, string, unknown?][] = [
    ['space first', '^ {}', 'header'],
    ['a byte order mark first', '^\ufeff{}', 'header', '{}'],
    ['an array', '^[]', 'header'],
    ['not JSON', '{^a}', 'header'],
    ['no end', `{${b22}^`, 'header', ''],
    ['a comma too many', '{"__metadata__":{},^}', 'header'],
    ['something after the end', '{} ^{}', 'header'],
    ['a control character', '{^"\n":{}}', 'header'],
    ['half a surrogate pair', '{^"\\ud800":{}}', 'header'],
    ['a tensor twice', `{${a04},^${a04}}|....`, 'header', 'a'],
    ['a tensor twice, once escaped', `{${a04},^${u8('\\u0061', 4, 5)}}|.....`, 'header', 'a'],
    ['__proto__ twice', `{${u8('__proto__', 0, 0)},^${u8('__proto__', 0, 0)}}`, 'header', '__proto__'],
    ['a field twice', '{"a":{"dtype":"U8",^"dtype":"F32"}}', 'a', 'dtype'],
    ['metadata twice', '{"__metadata__":{},^"__metadata__":{}}', 'header', '__metadata__'],
    ['a metadata name twice', '{"__metadata__":{"a":"",^"a":""}}', '__metadata__', 'a'],
    ['metadata not an object', '{"__metadata__":^"a"}', '__metadata__'],
    ['metadata null', '{"__metadata__":^null}', '__metadata__'],
    ['metadata not of strings', '{"__metadata__":{"a":^1}}', '__metadata__.a'],
    ['an entry that is an array', '{"a":^[]}', 'a'],
    ['an unknown field', '{"a":{"dtype":"U8",^"scale":1}}', 'a', 'scale'],
    ['__proto__ as a field', '{"a":{^"__proto__":{}}}', 'a', '__proto__'],
    ['no dtype', '{"a":^{"shape":[0],"data_offsets":[0,0]}}', 'a.dtype', undefined],
    ['no shape', '{"a":^{"dtype":"U8","data_offsets":[0,0]}}', 'a.shape', undefined],
    ['no data_offsets', '{"a":^{"dtype":"U8","shape":[0]}}', 'a.data_offsets', undefined],
    ['an unknown dtype', '{"a":{"dtype":^"F5"}}', 'a.dtype', 'F5'],
    ['a dtype every object has', '{"a":{"dtype":^"toString"}}', 'a.dtype', 'toString'],
    ['a dtype that is a number', '{"a":{"dtype":^1}}', 'a.dtype'],
    ['a shape that is a number', '{"a":{"shape":^1}}', 'a.shape'],
    ['a negative size', '{"a":{"shape":[2,^-1]}}', 'a.shape'],
    ['a fraction', '{"a":{"shape":[1^.5]}}', 'a.shape'],
    ['an exponent', '{"a":{"shape":[1^e1]}}', 'a.shape'],
    ['a leading zero', '{"a":{"shape":[^01]}}', 'a.shape'],
    ['a size of 2^53', '{"a":{"shape":[^9007199254740992]}}', 'a.shape'],
    ['a size of 2^53 + 1', '{"a":{"shape":[^9007199254740993]}}', 'a.shape'],
    ['a nested shape', '{"a":{"shape":[^[1]]}}', 'a.shape'],
    [
      'more than 2^53 elements',
      `{"a":^${fields('U8', [94906267, 94906267])}}`,
      'a.shape',
      [94906267, 94906267],
    ],
    ['more than 2^53 elements, times 0', `{"a":^${fields('U8', [max, 2, 0])}}`, 'a.shape', [max, 2, 0]],
    ['more than 2^53 bytes', `{"a":^${fields('F32', [max], max)}}`, 'a.shape', [max]],
    ['one offset', '{"a":{"data_offsets":^[0]}}', 'a.data_offsets', [0]],
    ['three offsets', '{"a":{"data_offsets":^[0,0,0]}}', 'a.data_offsets', [0, 0, 0]],
    ['end before begin', '{"a":{"data_offsets":^[1,0]}}', 'a.data_offsets', [1, 0]],
    ['a negative offset', '{"a":{"data_offsets":[^-1,0]}}', 'a.data_offsets'],
    ['too few bytes for the shape', `{"a":^${fields('F32', [2], 4)}}|....`, 'a', 4],
    ['too many bytes for the shape', `{"a":^${fields('F32', [0], 4)}}|....`, 'a', 4],
    ['data that begins late', `{${b22}}|..^`, 'b.data_offsets', 2],
    ['a gap', `{${u8('b', 5, 6)},${a04}}|.....^.`, 'b.data_offsets', 5],
    ['an overlap', `{${a04},${b36}}|...^...`, 'b.data_offsets', 3],
    ['the same bytes twice', `{${a04},${u8('b', 0, 4)}}|^....`, 'b.data_offsets', 0],
    ['an empty tensor inside another', `{${a04},${b22}}|..^..`, 'b.data_offsets', 2],
    ['truncated data', `{${a04}}|...^`, 'data', 3],
    ['trailing data', `{${a04}}|....^.`, 'data', 5],
  ];

  test.each(hostile)('refuses %s', (...[, marked, field, ...values]) => {
    const [before = '', after = ''] = marked.split('^');
    const [header = '', data = ''] = (before + after).split('|');
    const error = refusal(() => parseFile(fileOf(header, data.length)));
    const position = prefixBytes + before.replace('|', '').length;
    expect(error).toMatchObject({ code: 'INVALID_FILE', field, position });
    expect(error.value).toEqual(values.length > 0 ? values[0] : after.slice(0, 24));
    expect(error.message).toMatch(`f: ${JSON.stringify(field)} at byte ${position}: `);
  });

  test('refuses text that is not UTF-8', () => {
    const error = refusal(() => parseFile(fileOf(Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x7d))));
    expect(error).toMatchObject({
      code: 'INVALID_FILE',
      field: 'header',
      position: 9,
      value: '"\ufffd\ufffd"}',
    });
  });

  test.each([
    ['an empty file', new Uint8Array(0), 0],
    ['a file of 7 bytes', new Uint8Array(7), 7],
    ['an empty header', fileOf(''), 0],
    ['a header past the end', fileOf('{}', 0, 3n), 3],
    ['a header of 100 MB and a byte', fileOf('{}', 0, 100_000_001n), 100_000_001],
    ['a header of 2^64 - 1 bytes', fileOf('{}', 0, 2n ** 64n - 1n), 2 ** 64],
  ])('refuses %s', (_what, bytes, value) => {
    const error = refusal(() => parseFile(bytes));
    expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'header size', position: 0, value });
  });

  test('accepts every layout of valid JSON, empty tensors and scalars', () => {
    const json = `{ "__metadata__" :\t{ } ,\r\n${u8('c', 1, 2)},${u8('b', 1, 1)},"":{"data_offsets":[0,1],"shape":[],"dtype":"U8"}}   \n`;
    const header = parseFile(fileOf(json, 2));
    expectConsistent(header, 2);
    expect([...header.tensors.keys()]).toEqual(['c', 'b', '']);
    expect(parseFile(fileOf('{}')).tensors.size).toBe(0);
  });

  test('does not confuse names with properties that objects inherit', () => {
    const header = parseFile(fileOf(`{"__metadata__":{"__proto__":"x"},${u8('__proto__', 0, 1)}}`, 1));
    expect(Object.entries(header.metadata)).toEqual([['__proto__', 'x']]);
    expect(header.metadata.toString).toBeUndefined();
    expect(header.tensors.get('__proto__')?.shape).toEqual([1]);
  });

  test('refuses too many metadata names', () => {
    const names = Array.from({ length: 70_000 }, (_, at) => `"${at}":""`);
    const error = refusal(() => parseFile(fileOf(`{"__metadata__":{${names}}}`)));
    expect(error).toMatchObject({ code: 'INVALID_FILE', field: '__metadata__', value: 65_537 });
  });

  test('takes time in proportion to the header', () => {
    const time = (bytes: number, unit: string): number => {
      const file = fileOf(`{"${unit.repeat(bytes / unit.length)}`);
      const start = performance.now();
      refusal(() => parseFile(file));
      return performance.now() - start;
    };
    for (const unit of ['\\"', '[', ' ', '":{"', '9']) expect(time(20_000_000, unit)).toBeLessThan(5_000);
  });
});
