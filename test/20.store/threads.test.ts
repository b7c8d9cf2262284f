// Loading with several threads gives the same bytes and errors as with one thread, and leaves nothing behind.
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  openTables,
  type RowDtype,
  type Tables,
  type TablesOptions,
  writeSafetensors,
} from '../../src/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-threads-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Five jobs of up to 8 MiB; the last one is shorter. */
const [rows, dim] = [70_000, 128];
const path = join(dir, 'tables.safetensors');
const data = new Float32Array(rows * dim);
const lists = JSON.stringify([{ name: 't', rows, dim, mode: 'sum', tensor: 'rows' }]);

async function write(): Promise<void> {
  await writeSafetensors(path, [{ name: 'rows', dtype: 'F32', shape: [rows, dim], data }], { tables: lists });
}

beforeAll(async () => {
  for (let i = 0; i < data.length; i++)
    data[i] = Math.fround(((i * 2_654_435_761) % 1_000_003) / 1_000_003 - 0.5);
  await write();
});

/** Looks up some rows of every job and piece, few enough for small slots. */
async function someRows(tables: Tables): Promise<Float32Array | undefined> {
  const keys = Uint32Array.from({ length: 71 }, (_, i) => (i * 1_000 + (i % 7) * 101) % rows);
  return (await tables.lookup({ t: { keys, offsets: keys.map((_, i) => i) } })).get('t')?.values;
}

test.for<[RowDtype, number, TablesOptions]>([
  ['f32', 2, {}],
  ['f16', 3, { shardBytes: 40_000 * dim }],
  ['int8', 2, { slotBytes: 65_536 }],
  ['int8', 3, { shardBytes: 40_000 * dim }],
  ['int4', 5, { slotBytes: 65_536 }],
])(
  'kept as %s, loaded by %i threads, %j: the same as loaded by one thread',
  async ([dtype, threads, options]) => {
    await using one = await openTables(path, { dtype });
    const seen: number[] = [];
    await using several = await openTables(path, {
      ...{ dtype, threads, ...options },
      onProgress: ({ bytesDone }) => seen.push(bytesDone),
    });
    expect(seen.at(-1)).toBe(data.byteLength);
    expect(seen.length).toBeGreaterThan(4);
    expect(await someRows(several)).toEqual(await someRows(one));
  },
);

test('if several jobs have bad rows, the error names the first row, whichever thread finds one first', async () => {
  const bad = [69_999, 40_000, 33_333];
  try {
    for (const row of bad) data[row * dim + 7] = Number.NaN;
    await write();
    for (let round = 0; round < 2; round++) {
      const loading = openTables(path, { dtype: 'int8', threads: 3 });
      await expect(loading).rejects.toMatchObject({ code: 'INVALID_TABLE', field: 'rows', position: 33_333 });
    }
  } finally {
    for (const row of bad) data[row * dim + 7] = 0;
    await write();
  }
});

test('a file that is truncated while threads read it is INVALID_FILE, and leaves no table', async () => {
  const tables = openTables(path, {
    threads: 2,
    onProgress: () => truncateSync(path, 9_000_000),
  });
  await expect(tables).rejects.toMatchObject({
    code: 'INVALID_FILE',
    message: expect.stringContaining('has become shorter'),
  });
  await write();
});
