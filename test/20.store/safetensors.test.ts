import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import { prefixBytes } from '../../src/store/header-json.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import {
  type Dtype,
  dtypeBytes,
  headerSize,
  parseHeader,
  type SafetensorsHeader,
} from '../../src/store/safetensors-header.ts';
import { type TensorData, writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { runs } from '../runs.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-safetensors-'));
const target = join(dir, 'target.safetensors');
const golden = new URL('../golden/cases/', import.meta.url).pathname;
afterAll(() => rmSync(dir, { recursive: true }));

const dtypes = Object.keys(dtypeBytes) as Dtype[];
const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

type InMemory = TensorData & { readonly data: ArrayBufferView };

/** Shared memory under every second tensor, and a view that does not begin where its memory does. */
const tensorArbitrary = fc
  .record({
    name: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'a"b\\')),
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
    seed: fc.nat({ max: 255 }),
    shared: fc.boolean(),
  })
  .map(({ seed, shared, ...rest }): InMemory => {
    const byteLength = rest.shape.reduce((product, size) => product * size, dtypeBytes[rest.dtype]);
    const memory = shared ? new SharedArrayBuffer(byteLength + 3) : new ArrayBuffer(byteLength + 3);
    const data = new Uint8Array(memory, 3).map((_, at) => seed + 7 * at);
    new Uint8Array(memory, 3).set(data);
    return { ...rest, data: new DataView(memory, 3) };
  });
const tensorsArbitrary = fc.uniqueArray(tensorArbitrary, {
  selector: ({ name }) => name,
  maxLength: 8,
});
const metadataArbitrary = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));

/** The bytes of a view, in plain memory. */
function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** A file's header, from the bytes of the whole file. */
function parseFile(bytes: Uint8Array): SafetensorsHeader {
  const size = headerSize(bytes.subarray(0, prefixBytes), bytes.byteLength, 'f');
  const header = bytes.subarray(prefixBytes, prefixBytes + size);
  return parseHeader(header, bytes.byteLength - prefixBytes - size, 'f');
}

function fileOf(header: string | Uint8Array, dataBytes = 0, declared?: bigint): Uint8Array<ArrayBuffer> {
  const json = typeof header === 'string' ? encode(header) : header;
  const file = new Uint8Array(prefixBytes + json.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declared ?? BigInt(json.byteLength), true);
  file.set(json, prefixBytes);
  return file;
}

/** The tensors fill the data section exactly, each with as many bytes as its shape takes. */
function expectConsistent({ tensors }: SafetensorsHeader, dataBytes: number): void {
  let covered = 0;
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, entry] of inOrder) {
    expect(entry.name).toBe(name);
    expect(entry.begin).toBe(covered);
    covered += entry.shape.reduce((product, size) => product * size, dtypeBytes[entry.dtype]);
    expect(entry.end).toBe(covered);
  }
  expect(covered).toBe(dataBytes);
}

function refusal(run: () => unknown): FlexemrError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}

async function withFile<T>(path: string, use: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  const file = await SafetensorsFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

describe('round trip', () => {
  test('any tensors and metadata come back whole, by read and readInto', async () => {
    const property = fc.asyncProperty(tensorsArbitrary, metadataArbitrary, async (tensors, metadata) => {
      await writeSafetensors(target, tensors, metadata);
      expect(readFileSync(target).readBigUInt64LE() % 8n).toBe(0n);
      await withFile(target, async (file) => {
        expect(new Map(Object.entries(file.metadata))).toEqual(new Map(Object.entries(metadata)));
        expect(new Set(file.tensors.keys())).toEqual(new Set(tensors.map(({ name }) => name)));
        for (const tensor of tensors) await expectSame(file, tensor);
      });
    });
    await fc.assert(property, { numRuns: 200 });
    expect(readdirSync(dir)).toEqual(['target.safetensors']);
  });

  async function expectSame(file: SafetensorsFile, { name, dtype, shape, data }: InMemory): Promise<void> {
    const { byteLength } = data;
    expect(file.entry(name)).toMatchObject({ name, dtype, shape });
    expect(file.entry(name).begin % dtypeBytes[dtype]).toBe(0);
    const array = await file.read(name, dtype);
    expect(array.BYTES_PER_ELEMENT).toBe(dtypeBytes[dtype]);
    expect([array.byteOffset, array.buffer.byteLength]).toEqual([0, byteLength]);
    expect(bytesOf(array)).toEqual(bytesOf(data));
    const shared = new Uint8Array(new SharedArrayBuffer(byteLength + 5), 5, byteLength >> 1);
    await file.readInto(name, byteLength - shared.byteLength, shared);
    expect(shared.slice()).toEqual(bytesOf(data).subarray(byteLength - shared.byteLength));
  }

  test('elements keep their values and are aligned in the file, widest first', async () => {
    const tensors: TensorData[] = [
      { name: 'bits', dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
      { name: 'half', dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) },
      { name: 'id', dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) },
      { name: 'row', dtype: 'F32', shape: [1, 2], data: Float32Array.of(0.5, Number.NaN) },
    ];
    await writeSafetensors(target, tensors);
    const header = parseFile(readFileSync(target));
    expect([...header.tensors.keys()]).toEqual(['id', 'row', 'half', 'bits']);
    await withFile(target, async (file) => {
      for (const { name, data } of tensors) expect(await file.read(name)).toEqual(data);
    });
  });

  test.each(readdirSync(golden).filter((name) => name.endsWith('.safetensors')))(
    'reads golden %s',
    (name) => {
      const bytes = readFileSync(join(golden, name));
      const header = parseFile(bytes);
      expectConsistent(header, bytes.byteLength - prefixBytes - Number(bytes.readBigUInt64LE()));
      const reference = JSON.parse(
        bytes.toString('utf8', prefixBytes, prefixBytes + Number(bytes.readBigUInt64LE())),
      );
      const { __metadata__, ...entries } = reference;
      expect({ ...header.metadata }).toEqual(__metadata__);
      const asWritten = [...header.tensors.values()].map(({ name, dtype, shape, begin, end }) => [
        name,
        { dtype, shape, data_offsets: [begin, end] },
      ]);
      expect(Object.fromEntries(asWritten)).toEqual(entries);
    },
  );
});

describe('headers', () => {
  const fields = (dtype: Dtype, shape: number[], end = 0, begin = 0): string =>
    JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
  const u8 = (name: string, begin: number, end: number): string =>
    `"${name}":${fields('U8', [end - begin], end, begin)}`;
  const max = Number.MAX_SAFE_INTEGER;
  const [a04, b36, b22] = [u8('a', 0, 4), u8('b', 3, 6), u8('b', 2, 2)];
  // What is wrong; a file, its header before | and its data after, with ^ where it is wrong; the field; the value,
  // where it is not simply the text from there on.
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
    ['an unknown dtype', '{"a":{"dtype":^"F4"}}', 'a.dtype', 'F4'],
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

  test('refuses what is not UTF-8', () => {
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

  test('keeps names that objects inherit apart from the objects', () => {
    const header = parseFile(fileOf(`{"__metadata__":{"__proto__":"x"},${u8('__proto__', 0, 1)}}`, 1));
    expect(Object.entries(header.metadata)).toEqual([['__proto__', 'x']]);
    expect(header.metadata.toString).toBeUndefined();
    expect(header.tensors.get('__proto__')?.shape).toEqual([1]);
  });

  test('refuses more metadata names than an object can bear', () => {
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

describe('damage', () => {
  const whole = fileOf(
    '{"__metadata__":{"k":"v\\n"},"r":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"é":{"dtype":"I8","shape":[3],"data_offsets":[8,11]}}',
    11,
  );

  function expectParsedOrRefused(bytes: Uint8Array): void {
    try {
      const dataBytes =
        bytes.byteLength - prefixBytes - Number(new DataView(bytes.buffer).getBigUint64(0, true));
      expectConsistent(parseFile(bytes), dataBytes);
    } catch (error) {
      expect(error).toMatchObject({ name: 'FlexemrError', code: 'INVALID_FILE' });
      expect((error as FlexemrError).position).toBeLessThanOrEqual(
        Math.max(bytes.byteLength, whole.byteLength),
      );
    }
  }

  test('bytes changed, added and removed anywhere parse to a consistent header or are refused', () => {
    expectConsistent(parseFile(whole), 11);
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '0',
      '8',
      '9',
      '-',
      '\\',
      ' ',
      'F64',
      'a',
    );
    const edit = fc.record({
      at: fc.nat({ max: whole.byteLength }),
      remove: fc.nat({ max: 4 }),
      insert: fc.oneof(fc.uint8Array({ maxLength: 3 }), token.map(encode)),
      resize: fc.boolean(),
    });
    const property = fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let bytes = [...whole];
      for (const { at, remove, insert } of edits) bytes = bytes.toSpliced(at, remove, ...insert);
      const file = Uint8Array.from(bytes);
      // Most edits change the header's length: let it be right in half of them, to get past it.
      if (edits[0]?.resize && file.byteLength >= prefixBytes + 11)
        new DataView(file.buffer).setBigUint64(0, BigInt(file.byteLength - prefixBytes - 11), true);
      if (file.byteLength < prefixBytes) refusal(() => parseFile(file));
      else expectParsedOrRefused(file);
    });
    fc.assert(property, { numRuns: runs.mutatedFiles });
  });

  test('a file truncated at any length is refused when it is opened', async () => {
    writeFileSync(target, whole);
    for (let length = whole.byteLength - 1; length >= 0; length--) {
      truncateSync(target, length);
      await expect(SafetensorsFile.open(target)).rejects.toMatchObject({ code: 'INVALID_FILE' });
    }
  });

  test('a header of 101 MB is refused before there is memory for it', async () => {
    writeFileSync(target, fileOf('{}', 0, 101_000_000n));
    await truncate(target, 202_000_000);
    const before = process.memoryUsage().arrayBuffers;
    await expect(SafetensorsFile.open(target)).rejects.toMatchObject({
      code: 'INVALID_FILE',
      field: 'header size',
      value: 101_000_000,
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
  });

  test('a file that becomes shorter while it is open is refused by every way of reading', async () => {
    await writeSafetensors(target, [{ name: 'a', dtype: 'U8', shape: [100], data: new Uint8Array(100) }]);
    await withFile(target, async (file) => {
      const { length } = readFileSync(target);
      truncateSync(target, length - 50);
      const shorter = { code: 'INVALID_FILE', field: 'data', position: length - 50 };
      await expect(file.read('a')).rejects.toMatchObject(shorter);
      await expect(file.readInto('a', 40, new Uint8Array(20))).rejects.toMatchObject(shorter);
    });
  });

  test('what is no file is refused', async () => {
    const nothing = join(dir, 'nothing');
    const place = { code: 'INVALID_FILE', field: 'path' };
    await expect(SafetensorsFile.open(nothing)).rejects.toMatchObject({ ...place, value: nothing });
    await expect(SafetensorsFile.open(dir)).rejects.toMatchObject({ ...place, value: dir });
  });
});

describe('reading', () => {
  const rows = Float32Array.from({ length: 30 }, (_, at) => at);
  const opened = async (use: (file: SafetensorsFile) => Promise<void>): Promise<void> => {
    const none = { name: 'emb.none', dtype: 'F32', shape: [0, 3], data: new Uint8Array() } as const;
    await writeSafetensors(target, [none, { name: 'emb.rows', dtype: 'F32', shape: [10, 3], data: rows }]);
    await withFile(target, use);
  };

  test('names what there is where a tensor or dtype is not', () =>
    opened(async (file) => {
      const error = refusal(() => file.entry('emb.row'));
      expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'name', value: 'emb.row' });
      expect(error.message).toContain('closest: "emb.rows", "emb.none"');
      await expect(file.read('x')).rejects.toMatchObject({ value: 'x' });
      await expect(file.read('emb.rows', 'F16')).rejects.toMatchObject({
        field: 'emb.rows.dtype',
        value: 'F32',
      });
    }));

  test.each([-1, 0.5, Number.NaN, 109, 2 ** 53])(
    'reads nothing from byte %d on, outside the tensor',
    (byteOffset) =>
      opened(async (file) => {
        const wanted = file.readInto('emb.rows', byteOffset, new Uint8Array(12));
        await expect(wanted).rejects.toMatchObject({
          code: 'INVALID_OFFSETS',
          field: 'byteOffset',
          value: byteOffset,
        });
      }),
  );

  test('is over after close, which may be called again', () =>
    opened(async (file) => {
      await file[Symbol.asyncDispose]();
      await expect(file.read('emb.rows')).rejects.toMatchObject({ code: 'RELEASED' });
      await file.close();
    }));
});

describe('writing', () => {
  const good: TensorData = { name: 'a', dtype: 'U8', shape: [2], data: Uint8Array.of(1, 2) };

  test.each<[string, TensorData[], Record<string, unknown>, string]>([
    ['data that is too short', [{ ...good, data: new Uint8Array(1) }], {}, 'a'],
    ['data that is too long', [{ ...good, data: new Uint16Array(2) }], {}, 'a'],
    ['an unknown dtype', [{ ...good, dtype: 'F4' as Dtype }], {}, 'a.dtype'],
    ['a fraction in a shape', [{ ...good, shape: [0.5, 4] }], {}, 'a.shape'],
    ['a name twice', [good, good], {}, 'header'],
    ['the name of the metadata', [{ ...good, name: '__metadata__' }], {}, '__metadata__.shape'],
    ['half a surrogate pair', [{ ...good, name: '\ud800' }], {}, 'header'],
    ['metadata not of strings', [good], { a: 1 }, '__metadata__.a'],
  ])('refuses %s and leaves the file that was there', async (_what, tensors, metadata, field) => {
    await writeSafetensors(target, [good]);
    const before = readFileSync(target);
    const written = writeSafetensors(target, tensors, metadata as Record<string, string>);
    await expect(written).rejects.toMatchObject({ code: 'INVALID_FILE', field });
    expect(readFileSync(target)).toEqual(before);
    expect(readdirSync(dir)).toEqual(['target.safetensors']);
  });

  test.each([
    ['fails', 'lost'],
    ['ends early', 'its pieces have 1 bytes'],
  ])(
    'data that %s on the way leaves the file that was there, and nothing beside it',
    async (what, message) => {
      await writeSafetensors(target, [good]);
      const before = readFileSync(target);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(1);
        if (what === 'fails') throw new Error('lost');
      }
      const written = writeSafetensors(target, [good, { ...good, name: 'b', data: pieces() }]);
      await expect(written).rejects.toThrow(message);
      expect(readFileSync(target)).toEqual(before);
      expect(readdirSync(dir)).toEqual(['target.safetensors']);
    },
  );

  test('a folder that is not there is told as it is', async () => {
    await expect(writeSafetensors(join(dir, 'absent', 'f'), [good])).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  test('data of more than one piece, at hand or made on the way', async () => {
    const data = new Uint32Array(5_000_000).map((_, at) => at);
    async function* pieces(): AsyncGenerator<Uint32Array> {
      for (let at = 0; at < data.length; at += 999_999) yield data.subarray(at, at + 999_999);
    }
    const tensor = { name: 'a', dtype: 'U32', shape: [data.length] } as const;
    await writeSafetensors(target, [
      { ...tensor, data },
      { ...tensor, name: 'b', data: pieces() },
    ]);
    await withFile(target, async (file) => {
      for (const name of ['a', 'b'])
        expect(Buffer.compare(bytesOf(await file.read(name)), bytesOf(data))).toBe(0);
    });
  });
});
