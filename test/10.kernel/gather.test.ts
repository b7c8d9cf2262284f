import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writePoolCall } from '../../src/kernel/call.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import { instantiateKernels } from '../../src/kernel/files.ts';
import * as layout from '../../src/kernel/layout.ts';
import { canonical, decodeRow } from '../../src/kernel/reference.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';
import { type PoolCase, PoolInput } from './pool-case.ts';
import { poolCases } from './pool-cases.ts';

/** The values and counts that the shard with the rows `from`…`to` must give for each key. */
function expectedOf(input: PoolInput, from: number, to: number): { values: Float32Array; counts: number[] } {
  const { dtype, dim, rows, missing } = input.of;
  const values = new Float32Array(input.keys.length * dim);
  const counts = [...input.keys].map((key, i) => {
    if (key === input.padding) return 0;
    const isMissing = key >= rows;
    const here = isMissing ? to === rows && missing === 'default' : key >= from && key < to;
    if (!here) return 0;
    const row = isMissing
      ? decodeRow(input.defaultRow, dtype, dim, 0)
      : decodeRow(input.rows, dtype, dim, key);
    values.set(canonical(row), i * dim);
    return 1;
  });
  return { values, counts };
}

/** Runs a kernel on one shard. `values` are f32 [dim] per key for gather, and the stored bytes of rows for fetch. */
function runShard(
  kernel: 'gather' | 'fetch',
  input: PoolInput,
  from: number,
  to: number,
): { values: Uint8Array; counts: number[] } {
  const { of } = input;
  const bytes = rowBytes(of.dtype, of.dim);
  const vectorBytes = kernel === 'gather' ? of.dim * 4 : bytes;
  const n = input.keys.length;
  const poisoned = new PoisonedMemory(
    Math.ceil((input.rows.length + n * (of.dim * 4 + 32)) / 65536) + 2,
    true,
    of.seed,
  );
  const out = poisoned.place(n * vectorBytes, 4, true);
  const counts = poisoned.place(n * 4, 4, true);
  const call = poisoned.place(layout.CALL_BYTES, 4, true);
  const outcomes = poisoned.place(n, 1, true);
  const shard = {
    address: poisoned.put(input.rows.subarray(from * bytes, to * bytes), 1),
    rows: to - from,
    rowBase: from,
    tableRows: of.rows,
    rowBytes: bytes,
    dim: of.dim,
    dtype: of.dtype,
    finite: input.finite,
    defaultRow: poisoned.put(input.defaultRow, 1),
    last: to === of.rows,
  };
  const buffers = {
    keys: poisoned.put(input.keyBits(), of.keyBytes),
    keyBytes: of.keyBytes,
    keyCount: n,
    offsets: 0,
    weights: 0,
    out,
    counts,
    denominators: 0,
    outcomes,
    scratch: poisoned.place(layout.SCRATCH_BYTES, 16, true),
  };
  const { missing, touch } = of;
  const options = {
    mode: 'sum',
    partial: false,
    touch,
    padding: input.padding,
    missing,
    firstKey: 0,
  } as const;
  poisoned.seal();
  writePoolCall(poisoned.words, call, shard, buffers, { ...options, begin: 0, end: n });
  const kernels = instantiateKernels(poisoned.memory);
  let status: number = layout.MORE;
  while (status === layout.MORE) status = kernels[kernel](call, of.budget);
  expect(status).toBe(layout.DONE);
  expect(poisoned.strayWrites()).toEqual([]);
  return {
    values: poisoned.bytes.slice(out, out + n * vectorBytes),
    counts: [...new Uint32Array(poisoned.memory.buffer, counts, n)],
  };
}

/** The stored bytes of each key's row, or 0 if the shard does not have the row. */
function storedRows(input: PoolInput, counts: readonly number[]): Uint8Array {
  const { dtype, dim, rows } = input.of;
  const bytes = rowBytes(dtype, dim);
  const all = new Uint8Array(input.keys.length * bytes);
  input.keys.forEach((key, i) => {
    if (counts[i] === 0) return;
    all.set(key < rows ? input.rows.subarray(key * bytes, (key + 1) * bytes) : input.defaultRow, i * bytes);
  });
  return all;
}

test.for(['gather', 'fetch'] as const)(
  '%s gives every row unchanged, and 0 for rows that a shard does not have',
  (kernel) => {
    fc.assert(
      fc.property(poolCases, fc.nat(), (raw, split) => {
        const of: PoolCase = { ...raw, missing: raw.missing === 'error' ? 'skip' : raw.missing, keyBytes: 4 };
        const input = new PoolInput(of);
        const cut = split % of.rows;
        for (const [from, to] of cut === 0
          ? [[0, of.rows]]
          : [
              [0, cut],
              [cut, of.rows],
            ]) {
          const got = runShard(kernel, input, from, to);
          const { values, counts } = expectedOf(input, from, to);
          expect(got.counts).toEqual(counts);
          const expected = kernel === 'gather' ? new Uint8Array(values.buffer) : storedRows(input, counts);
          expect(got.values).toEqual(expected);
        }
      }),
      { numRuns: runs.gatherCases },
    );
  },
);
