// Files of other formats, and files with dtypes that tables do not use. Errors name the format.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { dir, fileOf, target, withFile } from './safetensors-files.ts';

const latin = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const padded = (text: string): Uint8Array => latin(text.padEnd(200, '\0'));

describe('the error for a file of another format names the format and what to do', () => {
  test.for([
    ['PyTorch’s archive', padded('PK\x03\x04\x00\x00\x08\x08'), /torch\.save.*torch\.load/],
    ['the smallest zip archive', padded('PK\x03\x04\x00\x00\x00\x00'), /zip/],
    ['PyTorch’s old format', padded('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'), /pickle.*torch\.load/],
    ['a pickle', padded('\x80\x04\x95'), /pickle/],
    [
      'a Git LFS pointer',
      latin('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n'),
      /git lfs pull/,
    ],
    ['NumPy', padded('\x93NUMPY\x01\x00v\x00{'), /NumPy/],
    ['HDF5', padded('\x89HDF\r\n\x1a\n'), /HDF5/],
    ['GGUF', padded('GGUF\x03\x00\x00\x00'), /GGUF/],
    ['Parquet', padded('PAR1\x15\x04\x15'), /Parquet/],
    ['gzip', gzipSync('{}'.repeat(99)), /gunzip/],
    ['Zstandard', padded('\x28\xb5\x2f\xfd\x24'), /unzstd/],
    ['a web page', latin('<!DOCTYPE html><html>Sign in'), /web page/],
    ['JSON', latin('{"weight_map": {}}'), /index\.json/],
    ['JSON behind a byte-order mark', latin('\xef\xbb\xbf[1, 2, 3, 4, 5]'), /JSON/],
    ['an empty file', new Uint8Array(), /empty/],
  ] as [string, Uint8Array, RegExp][])('%s', async ([, bytes, says]) => {
    const path = join(dir, 'other');
    writeFileSync(path, bytes);
    const error = await SafetensorsFile.open(path).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(FlexemrError);
    expect(error).toMatchObject({ code: 'INVALID_FILE', message: expect.stringMatching(says) });
    expect((error as Error).message).toMatch(/^[^\n]*other[^\n]*\.$/);
  });
});

test.for(['pipe', 'pipe.json'])('opening a pipe without a writer, %s, does not wait', async (name) => {
  const path = join(dir, name);
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const error = await SafetensorsFile.open(path).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: 'INVALID_FILE', message: expect.stringMatching(/is not a file/) });
});

describe('dtypes that no table uses', () => {
  const header = (dtype: string, shape: number[], bytes: number): string =>
    JSON.stringify({ odd: { dtype, shape, data_offsets: [0, bytes] } });

  test.for([
    ['F4', 6, 3],
    ['F6_E2M3', 4, 3],
    ['F6_E3M2', 8, 6],
    ['F8_E8M0', 5, 5],
    ['F8_E4M3FNUZ', 5, 5],
    ['F8_E5M2FNUZ', 5, 5],
    ['C64', 2, 16],
  ] as [string, number, number][])(
    '%s is skipped, after its size was checked',
    async ([dtype, elements, bytes]) => {
      writeFileSync(target, fileOf(header(dtype, [elements], bytes), bytes));
      await withFile(target, async (file) => {
        expect(file.entry('odd')).toMatchObject({ dtype, shape: [elements], begin: 0, end: bytes });
        await expect(file.read('odd')).rejects.toMatchObject({ code: 'INVALID_FILE', field: 'odd.dtype' });
        await file.readInto('odd', 0, new Uint8Array(bytes));
      });
      for (const [shape, size] of [
        [[elements], bytes + 1],
        [[elements + 1], bytes],
      ] as const) {
        writeFileSync(target, fileOf(header(dtype, [...shape], size), size));
        await expect(SafetensorsFile.open(target)).rejects.toMatchObject({ code: 'INVALID_FILE' });
      }
    },
  );
});
