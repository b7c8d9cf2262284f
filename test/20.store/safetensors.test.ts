import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prefixBytes } from '../../src/store/header-json.ts';
import type { SafetensorsFile } from '../../src/store/safetensors.ts';
import { type Dtype, dtypeBytes } from '../../src/store/safetensors-header.ts';
import { type TensorData, writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { refusal } from '../refusal.ts';
import { dir, expectConsistent, parseFile, target, withFile } from './safetensors-files.ts';

const golden = new URL('../golden/cases/', import.meta.url).pathname;
const dtypes = Object.keys(dtypeBytes) as Dtype[];

type InMemory = TensorData & { readonly dtype: Dtype; readonly data: ArrayBufferView };

/** Draws tensors. Some are in shared memory, and their views do not begin at the start of their memory. */
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

/** Copies the bytes of a view into plain memory. */
function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

describe('round trip', () => {
  test('read and readInto return any tensors and metadata unchanged', async () => {
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

describe('reading', () => {
  const rows = Float32Array.from({ length: 30 }, (_, at) => at);
  const opened = async (use: (file: SafetensorsFile) => Promise<void>): Promise<void> => {
    const none = { name: 'emb.none', dtype: 'F32', shape: [0, 3], data: new Uint8Array() } as const;
    await writeSafetensors(target, [none, { name: 'emb.rows', dtype: 'F32', shape: [10, 3], data: rows }]);
    await withFile(target, use);
  };

  test('names the existing tensors or dtype if one is not found', () =>
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

  test('fails after close, which can be called again', () =>
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
    ['an unknown dtype', [{ ...good, dtype: 'F5' as Dtype }], {}, 'a.dtype'],
    ['a fraction in a shape', [{ ...good, shape: [0.5, 4] }], {}, 'a.shape'],
    ['a name twice', [good, good], {}, 'header'],
    ['the name of the metadata', [{ ...good, name: '__metadata__' }], {}, '__metadata__.shape'],
    ['half a surrogate pair', [{ ...good, name: '\ud800' }], {}, 'header'],
    ['metadata not of strings', [good], { a: 1 }, '__metadata__.a'],
  ])('refuses %s and keeps the existing file', async (_what, tensors, metadata, field) => {
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
    'data that %s while it is written keeps the existing file, and leaves no other file',
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

  test('a missing folder is INVALID_FILE', async () => {
    await expect(writeSafetensors(join(dir, 'absent', 'f'), [good])).rejects.toMatchObject({
      code: 'INVALID_FILE',
    });
  });

  test('data can be an array or a generator of pieces', async () => {
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
