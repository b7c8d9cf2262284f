// Several files with one index give the same tensors as one file.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { dir } from './safetensors-files.ts';

const at = (name: string): string => join(dir, name);
mkdirSync(at('inner'));
const names = ['a.safetensors', 'inner/b.safetensors', 'c.safetensors'];
const indexPath = at('model.safetensors.index.json');
const writeIndex = (index: unknown): void =>
  writeFileSync(indexPath, typeof index === 'string' ? index : JSON.stringify(index));

const tensors = fc.uniqueArray(
  fc.record({
    name: fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('constructor', '__proto__', 'w')),
    values: fc.array(fc.nat({ max: 255 }), { maxLength: 9 }),
    file: fc.nat({ max: names.length - 1 }),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 12 },
);

test('tensors in several files are read like tensors in one file', async () => {
  await fc.assert(
    fc.asyncProperty(tensors, fc.boolean(), async (given, bom) => {
      const inFile = (i: number): typeof given => given.filter(({ file }) => file === i);
      for (const [i, name] of names.entries())
        await writeSafetensors(
          at(name),
          inFile(i).map(({ name, values }) => {
            return { name, dtype: 'U8', shape: [values.length], data: Uint8Array.from(values) };
          }),
          { [`in ${i}`]: 'yes' },
        );
      const places = given.map(({ name, file }) => `${JSON.stringify(name)}: ${JSON.stringify(names[file])}`);
      writeIndex(
        `${bom ? '\ufeff' : ''}{ "metadata": { "total_size": 5, "of": "all" }, "weight_map": { ${places} } }`,
      );
      await using file = await SafetensorsFile.open(indexPath);
      expect(new Set(file.tensors.keys())).toEqual(new Set(given.map(({ name }) => name)));
      expect(file.metadata.of).toBe('all');
      for (const { name, values } of given) expect([...(await file.read(name, 'U8'))]).toEqual(values);
    }),
    { numRuns: 40 },
  );
});

describe('the error for a wrong index says where it is wrong', () => {
  const data = Float32Array.of(1);
  const list = (name: string): Record<string, string> => ({ tables: JSON.stringify([{ name }]) });
  test.for([
    ['not JSON', '{', 'index'],
    ['a list', [], 'weight_map'],
    ['no map', { metadata: {} }, 'weight_map'],
    ['an empty map', { weight_map: {} }, 'weight_map'],
    ['a number instead of a file', { weight_map: { w: 1 } }, 'weight_map.w'],
    ['a file in the folder above', { weight_map: { w: '../a.safetensors' } }, 'weight_map.w'],
    [
      'a file in the folder above, by a detour',
      { weight_map: { w: 'inner/../../a.safetensors' } },
      'weight_map.w',
    ],
    ['a file from the root', { weight_map: { w: '/etc/hostname' } }, 'weight_map.w'],
    ['a file that is missing', { weight_map: { w: 'none.safetensors' } }, 'path'],
    [
      'a tensor that its file does not have',
      { weight_map: { w: 'x.safetensors', v: 'y.safetensors' } },
      'weight_map.v',
    ],
    [
      'two lists of tables',
      { weight_map: { w: 'x.safetensors', u: 'y.safetensors' } },
      '__metadata__.tables',
    ],
  ] as [string, unknown, string][])('%s', async ([, index, field]) => {
    await writeSafetensors(at('x.safetensors'), [{ name: 'w', dtype: 'F32', shape: [1], data }], list('x'));
    await writeSafetensors(at('y.safetensors'), [{ name: 'u', dtype: 'F32', shape: [1], data }], list('y'));
    writeIndex(index);
    const error = await SafetensorsFile.open(indexPath).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(FlexemrError);
    expect(error).toMatchObject({ code: 'INVALID_FILE', field });
    expect((error as Error).message).toContain(dir);
  });
});
