import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  FlexemrError,
  type LoadOptions,
  type LoadProgress,
  openTables,
  type Pooled,
  type RowDtype,
  reference,
  type StoredTableSpec,
  Tables,
  writeSafetensors,
} from '../../src/index.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import { loadChunkBytesMax } from '../../src/limits.ts';
import type { TensorData } from '../../src/store/safetensors-writer.ts';
import { runs } from '../runs.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-load-'));
afterAll(() => rmSync(dir, { recursive: true }));

const rows = 50;
const dim = 6;
const slots = { slotBytes: 2 ** 18 };
const halves = Uint16Array.from({ length: rows * dim }, (_, i) => ((i * 977) % 0x7c00) | ((i % 2) << 15));
const bfloats = Uint16Array.from({ length: rows * dim }, (_, i) => 0x3f00 + ((i * 37) % 512));
/** The rows in each source dtype; `values` are the same rows as f32. */
const sources = {
  F32: { data: Float32Array.from(halves, (half, i) => reference.halfToNumber(half) * 1.0001 + i) },
  F16: { data: halves },
  BF16: { data: bfloats },
} as const;
const values: Record<keyof typeof sources, Float32Array> = {
  F32: sources.F32.data,
  F16: Float32Array.from(halves, reference.halfToNumber),
  BF16: new Float32Array(Uint32Array.from(bfloats, (bits) => bits << 16).buffer),
};
const ids = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row) * 0x9e3779b97f4a7c15n);

const specOf = (name: string, more: Partial<StoredTableSpec> = {}): StoredTableSpec => ({
  name,
  rows,
  dim,
  mode: 'sum',
  tensor: name,
  ...more,
});
const tensors: TensorData[] = [
  ...(['F32', 'F16', 'BF16'] as const).map((name) => ({
    name,
    dtype: name,
    shape: [rows, dim],
    ...sources[name],
  })),
  { name: 'ids', dtype: 'I64', shape: [rows], data: ids },
  { name: 'other', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
];

async function fileOf(list: unknown, name = 'tables.safetensors', more: TensorData[] = []): Promise<string> {
  const path = join(dir, name);
  const metadata =
    list === undefined ? undefined : { tables: typeof list === 'string' ? list : JSON.stringify(list) };
  await writeSafetensors(path, [...tensors, ...more], metadata);
  return path;
}

/** Pools every row of a table in a bag of its own. */
async function allRows(tables: Tables, table: string): Promise<Pooled | undefined> {
  const keys = tables.specs.find(({ name }) => name === table)?.rows ?? 0;
  const each = {
    keys: Array.from({ length: keys }, (_, row) => row),
    lengths: new Array(keys).fill(1),
    table,
  };
  return (await tables.lookup({ f: each })).get('f');
}

/** All rows of a table that was added from memory. */
async function inMemory(data: Float32Array, dtype: RowDtype): Promise<Pooled | undefined> {
  await using tables = new Tables(slots);
  await tables.add({ name: 't', rows, dim, mode: 'sum', dtype }, { rows: data });
  return allRows(tables, 't');
}

describe('a table from a file', () => {
  test.for(['F32', 'F16', 'BF16'] as const)(
    'with %s rows equals a table that is added from memory',
    async (source) => {
      const path = await fileOf([specOf(source)]);
      for (const dtype of [undefined, ...dtypes]) {
        await using tables = await openTables(path, { ...slots, dtype });
        expect(tables.specs).toEqual([{ name: source, rows, dim, mode: 'sum', ...(dtype && { dtype }) }]);
        expect(await allRows(tables, source)).toEqual(await inMemory(values[source], dtype ?? 'f32'));
      }
    },
  );

  test('takes its dtype from the options of the table, else from those of all tables, else from its spec', async () => {
    const path = await fileOf([
      specOf('F32', { dtype: 'int8' }),
      specOf('F16'),
      specOf('BF16', { dtype: 'f16' }),
    ]);
    const kept = async (options: LoadOptions): Promise<unknown[]> => {
      await using tables = await openTables(path, { ...slots, ...options });
      return tables.specs.map(({ dtype }) => dtype);
    };
    expect(await kept({})).toEqual(['int8', undefined, 'f16']);
    expect(await kept({ dtype: 'int4' })).toEqual(['int4', 'int4', 'int4']);
    expect(await kept({ dtype: 'int4', tables: { F16: { dtype: 'f32' } } })).toEqual(['int4', 'f32', 'int4']);
    expect(await kept({ tables: { BF16: { dtype: 'int8' } } })).toEqual(['int8', undefined, 'int8']);
    const unknown = kept({ tables: { nowhere: { dtype: 'f32' } } });
    await expect(unknown).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      field: 'tables',
      value: 'nowhere',
    });
  });

  test('takes padding, missing and the default row from its spec, or from the options', async () => {
    const path = await fileOf([specOf('F32', { padding: -1, missing: 'skip' })]);
    const bags = { F32: { keys: [0, rows - 1, rows, 2], offsets: [0] } };
    await using own = await openTables(path, slots);
    expect((await own.lookup(bags)).get('F32')).toMatchObject({
      padded: Uint32Array.of(1),
      missing: Uint32Array.of(2),
    });
    const told = {
      padding: 0,
      missing: 'default',
      defaultRow: new Array(dim).fill(1),
      mode: 'mean',
    } as const;
    await using other = await openTables(path, { ...slots, tables: { F32: told } });
    expect((await other.lookup(bags)).get('F32')).toMatchObject({
      padded: Uint32Array.of(0),
      defaulted: Uint32Array.of(2),
      counts: Uint32Array.of(3),
    });
    expect(other.specs[0]).toMatchObject(told);
  });

  test.for(['I64', 'U64'] as const)('is indexed if its spec names ids, %s', async (dtype) => {
    const data = dtype === 'I64' ? ids : new BigUint64Array(ids.buffer);
    const path = await fileOf([specOf('F32', { ids: 'own' })], `${dtype}.safetensors`, [
      { name: 'own', dtype, shape: [rows], data },
    ]);
    await using tables = await openTables(path, slots);
    const pooled = (await tables.lookup({ F32: { keys: ids, lengths: new Array(rows).fill(1) } })).get('F32');
    expect(pooled).toEqual(await inMemory(values.F32, 'f32'));
  });

  test('can share its tensor with another table, and be loaded beside existing tables', async () => {
    await using tables = new Tables(slots);
    await tables.load(
      await fileOf([specOf('one', { tensor: 'F32' }), specOf('two', { tensor: 'F32', mode: 'max' })]),
    );
    await tables.load(await fileOf([specOf('F16')]));
    expect(tables.specs.map(({ name }) => name)).toEqual(['one', 'two', 'F16']);
    expect(await allRows(tables, 'two')).toEqual(await allRows(tables, 'one'));
  });

  test('does not exist if the list is empty', async () => {
    await using tables = await openTables(await fileOf([]), slots);
    expect(tables.specs).toEqual([]);
  });
});

test('progress never decreases, and ends at all bytes of all tables', async () => {
  const large = Math.ceil((2.5 * loadChunkBytesMax) / 64);
  const path = await fileOf(
    [specOf('F32', { ids: 'ids' }), specOf('large', { rows: large, dim: 16 }), specOf('F16')],
    'large.safetensors',
    [{ name: 'large', dtype: 'F32', shape: [large, 16], data: new Float32Array(large * 16) }],
  );
  const bytesTotal = rows * dim * 4 + large * 64 + rows * dim * 2;
  for (const dtype of dtypes) {
    const seen: LoadProgress[] = [];
    const options = {
      ...slots,
      slotBytes: 2 ** 24,
      dtype,
      onProgress: (progress: LoadProgress) => seen.push(progress),
    };
    await using _tables = await openTables(path, options);
    expect(seen.length).toBeGreaterThan(4);
    seen.forEach((progress, i) => {
      expect(progress.bytesTotal).toBe(bytesTotal);
      expect(progress.bytesDone).toBeGreaterThan(seen[i - 1]?.bytesDone ?? 0);
    });
    expect(seen[seen.length - 1]).toEqual({ table: 'F16', bytesDone: bytesTotal, bytesTotal });
    expect([...new Set(seen.map(({ table }) => table))]).toEqual(['F32', 'large', 'F16']);
  }
});

describe('a wrong list gives one error, and none of its tables is loaded', () => {
  const good = specOf('F16');
  type Fault = readonly [what: string, list: unknown, code: string, field: string, more?: TensorData[]];
  const own = (dtype: 'I64' | 'F32', data: ArrayBufferView & { length: number }): TensorData[] => [
    { name: 'own', dtype, shape: [data.length], data },
  ];
  const twice = BigInt64Array.from(ids).fill(ids[3], 7, 8);
  const notFinite = Float32Array.from(values.F32).fill(Number.NaN, 9 * dim, 9 * dim + 1);
  const faults: Fault[] = [
    ['rows', [good, specOf('F32', { rows: rows + 1 })], 'INVALID_TABLE', 'F32.shape'],
    [
      'rows and columns the other way round',
      [good, specOf('F32', { rows: dim, dim: rows })],
      'INVALID_TABLE',
      'F32.shape',
    ],
    ['columns', [good, specOf('F32', { dim: dim - 1 })], 'INVALID_TABLE', 'F32.shape'],
    [
      'a tensor of one dimension',
      [good, specOf('own')],
      'INVALID_TABLE',
      'own.shape',
      own('F32', new Float32Array(rows * dim)),
    ],
    ['a dtype that holds no rows', [good, specOf('ids')], 'INVALID_TABLE', 'ids.dtype'],
    ['a tensor that is not there', [good, specOf('F64')], 'INVALID_FILE', 'name'],
    [
      'no tensor',
      [good, { ...specOf('F32'), tensor: undefined }],
      'INVALID_TABLE',
      '__metadata__.tables[1].tensor',
    ],
    ['two tables of one name', [good, good], 'INVALID_TABLE', 'name'],
    [
      'an unknown mode',
      [good, { ...specOf('F32'), mode: 'avg' }],
      'INVALID_TABLE',
      '__metadata__.tables[1].mode',
    ],
    [
      'an unknown dtype',
      [good, { ...specOf('F32'), dtype: 'f8' }],
      'INVALID_TABLE',
      '__metadata__.tables[1].dtype',
    ],
    ['a zero', [good, { ...specOf('F32'), rows: 0 }], 'INVALID_TABLE', '__metadata__.tables[1].rows'],
    [
      'a default row of another length',
      [good, specOf('F32', { missing: 'default', defaultRow: [1] })],
      'INVALID_TABLE',
      'defaultRow',
    ],
    ['no default row', [good, specOf('F32', { missing: 'default' })], 'INVALID_TABLE', 'defaultRow'],
    ['padding that is not a row', [good, specOf('F32', { padding: rows })], 'INVALID_TABLE', 'padding'],
    ['ids that are not there', [good, specOf('F32', { ids: 'nowhere' })], 'INVALID_FILE', 'name'],
    [
      'ids of another dtype',
      [good, specOf('F32', { ids: 'own' })],
      'INVALID_TABLE',
      'own.dtype',
      own('F32', new Float32Array(rows)),
    ],
    ['too few ids', [good, specOf('F32', { ids: 'own' })], 'INVALID_TABLE', 'ids', own('I64', ids.slice(1))],
    ['an id twice', [good, specOf('F32', { ids: 'own' })], 'INVALID_TABLE', 'ids', own('I64', twice)],
    [
      'rows that cannot be quantised',
      [good, specOf('own', { dtype: 'int8' })],
      'INVALID_TABLE',
      'rows',
      [{ name: 'own', dtype: 'F32', shape: [rows, dim], data: notFinite }],
    ],
    ['a text that is not JSON', '[{', 'INVALID_TABLE', '__metadata__.tables'],
    ['an object instead of a list', '{"name":"F16"}', 'INVALID_TABLE', '__metadata__.tables'],
    ['null', 'null', 'INVALID_TABLE', '__metadata__.tables'],
    ['a list with an entry that is not a table', [1], 'INVALID_TABLE', '__metadata__.tables[0]'],
    ['no metadata', undefined, 'INVALID_FILE', '__metadata__.tables'],
  ];

  test.for(faults)('%s', async ([, list, code, field, more = []]) => {
    const path = await fileOf(list, 'lies.safetensors', more);
    await using tables = new Tables(slots);
    await tables.load(await fileOf([specOf('F32', { name: 'before' })]));
    const before = await allRows(tables, 'before');
    let arenas: unknown;
    for (let turn = 0; turn < 5; turn++) {
      const error = await tables.load(path).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(FlexemrError);
      expect({ ...(error as FlexemrError) }).toMatchObject({ code, field });
      expect(tables.specs.map(({ name }) => name)).toEqual(['before']);
      arenas ??= tables.arenas;
      expect(tables.arenas).toEqual(arenas);
    }
    expect(await allRows(tables, 'before')).toEqual(before);
    await tables.load(await fileOf([good]));
    expect(tables.specs.map(({ name }) => name)).toEqual(['before', 'F16']);
  });

  test('a table that exists already', async () => {
    await using tables = await openTables(await fileOf([specOf('F32')]), slots);
    const before = await allRows(tables, 'F32');
    const error = await tables
      .load(await fileOf([good, specOf('F32', { tensor: 'BF16' })]))
      .catch((caught: unknown) => caught);
    expect({ ...(error as FlexemrError) }).toMatchObject({
      code: 'INVALID_TABLE',
      field: 'name',
      value: 'F32',
    });
    expect(tables.specs.map(({ name }) => name)).toEqual(['F32']);
    expect(await allRows(tables, 'F32')).toEqual(before);
  });

  test('invalid options', async () => {
    const path = await fileOf([good]);
    for (const options of [
      { dtype: 'f8' },
      { tables: { F16: { missing: 'default' } } },
      { tables: { F16: { color: 'red' } } },
    ]) {
      const error = await openTables(path, { ...slots, ...(options as LoadOptions) }).catch(
        (caught: unknown) => caught,
      );
      expect({ ...(error as FlexemrError) }).toMatchObject({ code: 'INVALID_TABLE' });
    }
  });

  test('onProgress throws', async () => {
    await using tables = new Tables(slots);
    const stop = new Error('stop');
    const onProgress = ({ table }: LoadProgress): void => {
      if (table === 'F32') throw stop;
    };
    await expect(tables.load(await fileOf([good, specOf('F32')]), { onProgress })).rejects.toBe(stop);
    expect(tables.specs).toEqual([]);
  });

  test('the file is cut while it is read', async () => {
    await using tables = new Tables(slots);
    const path = await fileOf([good, specOf('F32', { ids: 'ids' })], 'cut.safetensors');
    const onProgress = (): void => truncateSync(path, 1200);
    const error = await tables.load(path, { onProgress }).catch((caught: unknown) => caught);
    expect({ ...(error as FlexemrError) }).toMatchObject({ code: 'INVALID_FILE' });
    expect(tables.specs).toEqual([]);
  });
});

describe('memory', () => {
  const large = { dim: 64, rows: runs.largeTableBytes / 256 };

  /** Writes a sparse file of zeros, with a known first and last row. */
  async function largeFile(): Promise<string> {
    const path = join(dir, 'hole.safetensors');
    const spec = { ...specOf('large', large) };
    const entry = { dtype: 'F32', shape: [large.rows, large.dim], data_offsets: [0, runs.largeTableBytes] };
    const header = JSON.stringify({ __metadata__: { tables: JSON.stringify([spec]) }, large: entry });
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([prefix, Buffer.from(header)]));
    const start = 8 + header.length;
    truncateSync(path, start + runs.largeTableBytes);
    const file = await openFile(path, 'r+');
    for (const row of [0, large.rows - 1]) {
      const data = Float32Array.from({ length: large.dim }, (_, column) => row + column);
      await file.write(new Uint8Array(data.buffer), 0, 256, start + row * 256);
    }
    await file.close();
    return path;
  }

  const child = `
    import { readFileSync } from 'node:fs';
    import { openTables, Tables } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
    const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
    const [path, dtype, last] = process.argv.slice(1);
    await using warm = new Tables();
    await warm.add({ name: 't', rows: 1, dim: 1, mode: 'sum' }, { rows: Float32Array.of(1) });
    await warm.lookup({ t: { keys: [0], offsets: [0] } });
    const before = peak();
    await using tables = await openTables(path, { dtype });
    const grown = peak() - before;
    const lookup = await tables.lookup({ large: { keys: [0, Number(last), 1], lengths: [1, 1, 1] } });
    console.log(JSON.stringify({ grown, values: [...lookup.get('large').values] }));`;

  test.runIf(process.platform === 'linux').for(['f32', 'int8'] as const)(
    'loading a large table as %s takes its kept bytes and at most 64 MiB more',
    async (dtype) => {
      const path = await largeFile();
      const args = ['--input-type=module', '-e', child, path, dtype, String(large.rows - 1)];
      const { grown, values: got } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      const kept = large.rows * reference.rowBytes(dtype, large.dim);
      expect(grown).toBeLessThanOrEqual(kept + 64 * 2 ** 20);
      // The process has touched all of the memory, so the measurement is valid.
      expect(grown).toBeGreaterThan(kept * 0.9);
      const last = Array.from({ length: large.dim }, (_, column) => large.rows - 1 + column);
      const step = dtype === 'int8' ? 0.5 : 0;
      expect(got.length).toBe(3 * large.dim);
      for (const [i, value] of last.entries())
        expect(Math.abs(got[large.dim + i] - value)).toBeLessThanOrEqual(step);
      expect(got.slice(2 * large.dim)).toEqual(new Array(large.dim).fill(0));
    },
  );
});
