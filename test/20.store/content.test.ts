// The digest that identifies a table: over all bytes of a small table, over a sample of a large table, and over all
// bytes when the table is verified.
import { copyFile, open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentBlockBytes, contentWholeBytesMax } from '../../src/limits.ts';
import { contentOf, wholeContentOf } from '../../src/store/content.ts';
import { planTables } from '../../src/store/load.ts';
import type { SafetensorsFile } from '../../src/store/safetensors.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { writeTables } from '../tables-file.ts';
import { dir, withFile } from './safetensors-files.ts';

const digest = (path: string, of: typeof contentOf = contentOf): Promise<string> =>
  withFile(path, async (file: SafetensorsFile) => await of(file, planTables(file)[0]));

/** Flips a bit of the data, which is at the end of the file. */
async function flip(path: string, fromEnd: number, bit = 0): Promise<void> {
  const handle = await open(path, 'r+');
  const { size } = await handle.stat();
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, size - 1 - fromEnd);
  byte[0] ^= 1 << bit;
  await handle.write(byte, 0, 1, size - 1 - fromEnd);
  await handle.close();
}

const [rows, dim] = [20, 3];
const spec = { name: 't', rows, dim, mode: 'sum' } as const;
const values = Float32Array.from({ length: rows * dim }, (_, i) => i);
const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i) * 7n);

test('any byte of the rows and ids of a small table changes its digest; its name and path do not', async () => {
  const path = join(dir, 'small.safetensors');
  await writeTables(path, [{ spec, rows: values, ids }]);
  const before = await digest(path);
  const copy = join(dir, 'elsewhere.safetensors');
  await copyFile(path, copy);
  expect(await digest(copy)).toBe(before);
  const dataBytes = values.byteLength + ids.byteLength;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: dataBytes - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
      await flip(copy, at, bit);
      expect(await digest(copy)).not.toBe(before);
      await flip(copy, at, bit);
    }),
  );
});

test('shape and dtype change the digest, even if the bytes are the same', async () => {
  const shapes: readonly (readonly [number, number])[] = [
    [20, 3],
    [30, 2],
    [60, 1],
  ];
  const seen = new Set<string>();
  for (const [own, ownDim] of shapes) {
    const path = join(dir, `shape-${own}.safetensors`);
    await writeTables(path, [{ spec: { ...spec, rows: own, dim: ownDim }, rows: values }]);
    seen.add(await digest(path));
  }
  const halves = join(dir, 'halves.safetensors');
  await writeTables(halves, [{ spec: { ...spec, rows: 40 }, rows: new Uint16Array(values.buffer) }]);
  seen.add(await digest(halves));
  expect(seen.size).toBe(4);
});

test('retraining some rows of a large table changes its digest, and verifying finds a single changed bit', async () => {
  const large = { ...spec, dim: 64, rows: (contentWholeBytesMax / 256) * 2 };
  const path = join(dir, 'large.safetensors');
  const all = new Float32Array(large.rows * large.dim).fill(0.5);
  await writeTables(path, [{ spec: large, rows: all }]);
  const [before, whole] = [await digest(path), await digest(path, wholeContentOf)];
  // The sample misses a bit between two of its blocks; verifying does not.
  await flip(path, contentBlockBytes + 100);
  expect(await digest(path, wholeContentOf)).not.toBe(whole);
  const random = randomOf(7);
  for (let draw = 0; draw < 3; draw++) {
    const retrained = all.slice();
    for (let n = 0; n < large.rows / 1000; n++)
      retrained[Math.floor(random() * large.rows) * large.dim] += 0.25;
    await writeTables(path, [{ spec: large, rows: retrained }]);
    expect(await digest(path)).not.toBe(before);
  }
});

test('a file that has become shorter since it was opened has no digest', async () => {
  for (const large of [false, true]) {
    const path = join(dir, `shorter-${large}.safetensors`);
    const count = large ? (contentWholeBytesMax / 256) * 2 : rows;
    const given = { ...spec, dim: 64, rows: count };
    await writeTables(path, [{ spec: given, rows: new Float32Array(count * 64) }]);
    await withFile(path, async (file) => {
      const [table] = planTables(file);
      const { tensor } = table.stored;
      const { begin, end } = file.entry(tensor);
      await truncate(path, file.located(tensor).position + Math.floor((end - begin) / 2));
      await expect(contentOf(file, table)).rejects.toMatchObject({
        code: 'INVALID_FILE',
        message: expect.stringContaining('has become shorter since it was opened'),
      });
    });
  }
});
