// Files that were changed or truncated, or do not exist.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlexemrError } from '../../src/index.ts';
import { prefixBytes } from '../../src/store/header-json.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { refusal } from '../refusal.ts';
import { runs } from '../runs.ts';
import { dir, encode, expectConsistent, fileOf, parseFile, target, withFile } from './safetensors-files.ts';

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

  test('files with changed, added or removed bytes have a consistent header or are refused', () => {
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
      // Most edits change the length of the header. Half of them correct its size field, to get past that check.
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

  test('a header of 101 MB is refused before memory is allocated for it', async () => {
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

  test('every read of a file that became shorter while it was open fails', async () => {
    await writeSafetensors(target, [{ name: 'a', dtype: 'U8', shape: [100], data: new Uint8Array(100) }]);
    await withFile(target, async (file) => {
      const { length } = readFileSync(target);
      truncateSync(target, length - 50);
      const shorter = { code: 'INVALID_FILE', field: 'data', position: length - 50 };
      await expect(file.read('a')).rejects.toMatchObject(shorter);
      await expect(file.readInto('a', 40, new Uint8Array(20))).rejects.toMatchObject(shorter);
    });
  });

  test('a missing file and a folder are refused', async () => {
    const nothing = join(dir, 'nothing');
    const place = { code: 'INVALID_FILE', field: 'path' };
    await expect(SafetensorsFile.open(nothing)).rejects.toMatchObject({ ...place, value: nothing });
    await expect(SafetensorsFile.open(dir)).rejects.toMatchObject({ ...place, value: dir });
  });
});
