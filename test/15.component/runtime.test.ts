// Errors name what a runtime does not support, and what the wrong kernels cannot do.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { layout, openKernels, rowBytes, writePoolCall } from '../../src/kernels.ts';

const root = join(import.meta.dirname, '../..');

test('kernels pool in a memory that the caller made', () => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const kernels = openKernels(memory);
  const [words, floats] = [new Uint32Array(memory.buffer), new Float32Array(memory.buffer)];
  floats.set([1, 2, 10, 20], 16);
  words.set([0, 1], 32);
  words.set([0, 2], 48);
  const place = { keys: 128, offsets: 192, counts: 256, outcomes: 320, out: 384, scratch: 1_024 };
  writePoolCall(
    words,
    512,
    {
      ...{ address: 64, rows: 2, rowBase: 0, tableRows: 2, rowBytes: rowBytes('f32', 2), dim: 2 },
      ...{ dtype: 'f32', finite: true, defaultRow: 0, last: true },
    },
    { ...place, keyBytes: 4, keyCount: 2, weights: 0, denominators: 0 },
    {
      ...{ mode: 'mean', partial: false, touch: false, padding: undefined, missing: 'error' },
      ...{ begin: 0, end: 1, firstKey: 0 },
    },
  );
  expect(kernels.pool(512, layout.NONE)).toBe(layout.DONE);
  expect([...floats.subarray(96, 98)]).toEqual([5.5, 11]);
});

test('shared memory is refused with an error that says what to use instead', () => {
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  expect(() => openKernels(shared)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(/plain memory/) }),
  );
});

test.runIf(process.arch === 'x64').for(['kernels', 'component', 'edge'])(
  'flexemr/%s reports a runtime without SIMD',
  (entry) => {
    const script = `import('flexemr/${entry}').catch(({ code, message }) => console.log(code, message))`;
    const noSimd = ['--no-enable-sse4-1', '--no-enable-ssse3'];
    const said = execFileSync(process.execPath, [...noSimd, '-e', script], { cwd: root, encoding: 'utf8' });
    expect(said).toMatch(/^MISSING_DEPENDENCY .*SIMD/);
  },
);

test('the program of docs/embedding.md prints what it documents', () => {
  const [, program = ''] =
    /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'docs/embedding.md'), 'utf8')) ?? [];
  const typed = ['--input-type=module-typescript', '-e', program];
  const said = execFileSync(process.execPath, typed, { cwd: root, encoding: 'utf8' });
  const [, told] = /\/\/ Float32Array \[(.*)\]/.exec(program) ?? [];
  expect(said).toContain(`[ ${told} ]`);
});
