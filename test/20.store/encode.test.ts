import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlexemrError, type RowDtype, reference, SafetensorsFile, type TableSpec } from '../../src/index.ts';
import { dtypeCodes, dtypes } from '../../src/kernel/dtype.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { loadChunkBytesMax } from '../../src/limits.ts';
import type { SourceDtype } from '../../src/store/source-dtype.ts';
import { Store } from '../../src/store/store.ts';
import type { Table } from '../../src/store/table.ts';
import { TableBuilder } from '../../src/store/table-builder.ts';
import { runs } from '../runs.ts';

const golden = (name: string): string =>
  new URL(`../golden/cases/${name}.safetensors`, import.meta.url).pathname;
const newStore = (slotBytes = 2 ** 20): Store => new Store(kernelModule('shared'), { slotBytes });

/** Builds a table from `source` rows. Fills it by ranges of rows, as loading a file does. */
async function encode(store: Store, spec: TableSpec, source: SourceDtype, rows: Uint8Array): Promise<Table> {
  const builder = new TableBuilder(store, spec);
  try {
    const stride = rows.length / spec.rows;
    await builder.fill(source, (first, bytes) => {
      bytes.set(rows.subarray(first * stride, first * stride + bytes.length));
    });
    return builder.build();
  } catch (error) {
    builder.abandon();
    throw error;
  }
}

/** The bytes of the rows in the store. */
function keptBytes({ shards }: Table): Uint8Array {
  const kept = shards.map(({ arena, address, rows }) =>
    arena.bytes.slice(address, address + rows.rows * rows.rowBytes),
  );
  return Uint8Array.from(kept.flatMap((bytes) => [...bytes]));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
const specOf = (rows: number, dim: number, dtype: RowDtype): TableSpec => ({
  name: 't',
  rows,
  dim,
  dtype,
  mode: 'sum',
});

describe("quantising gives PyTorch's bytes", () => {
  test.for(['int8', 'int4'] as const)('%s', async (dtype) => {
    await using file = await SafetensorsFile.open(golden(dtype));
    const cases: { id: string; rows: number; dim: number }[] = JSON.parse(file.metadata.cases);
    expect(cases.length).toBeGreaterThan(10);
    for (const { id, rows, dim } of cases) {
      const table = await file.read(`${id}.table_f32`, 'F32');
      const packed = await file.read(`${id}.packed`, 'U8');
      const kept = await encode(newStore(), specOf(rows, dim, dtype), 'f32', bytesOf(table));
      expect(keptBytes(kept), id).toEqual(bytesOf(packed));
    }
  });

  test('rows that need several staging steps or shards give the same bytes', async () => {
    await using file = await SafetensorsFile.open(golden('int8'));
    const [{ id, rows, dim }] = (
      JSON.parse(file.metadata.cases) as { id: string; rows: number; dim: number }[]
    ).sort((a, b) => b.rows * b.dim - a.rows * a.dim);
    const one = await file.read(`${id}.table_f32`, 'F32');
    const packed = bytesOf(await file.read(`${id}.packed`, 'U8'));
    const times = Math.ceil((2.5 * loadChunkBytesMax) / one.byteLength);
    const many = new Float32Array(one.length * times);
    for (let i = 0; i < times; i++) many.set(one, i * one.length);
    for (const options of [
      { slotBytes: 65_536 },
      { slotBytes: 2 ** 24 },
      { slotBytes: 2 ** 20, shardBytes: 2 ** 20 },
    ]) {
      const store = new Store(kernelModule('shared'), options);
      const { shards } = await encode(store, specOf(rows * times, dim, 'int8'), 'f32', bytesOf(many));
      if ('shardBytes' in options) expect(shards.length).toBeGreaterThan(3);
      const kept = shards.map(({ arena, address, rows: own }) =>
        Buffer.from(arena.bytes.slice(address, address + own.rows * own.rowBytes)),
      );
      expect(Buffer.concat(kept).equals(Buffer.concat(new Array(times).fill(packed)))).toBe(true);
    }
  });
});

/** f32 values around every half: its value, the tie with the next half, and the neighbours of both. */
function aroundHalves(): Float32Array {
  const bits: number[] = [];
  const f32 = new Float32Array(1);
  const u32 = new Uint32Array(f32.buffer);
  const around = (value: number): void => {
    f32[0] = value;
    for (let step = -1; step <= 1; step++) bits.push((u32[0] + step) >>> 0);
  };
  for (let half = 0; half < 65_536; half++) {
    const value = reference.halfToNumber(half);
    if (!Number.isFinite(value)) continue;
    around(value);
    const next = reference.halfToNumber((half + 1) & 0xffff);
    // The largest half has no next half, so this takes the tie that it would have.
    around(Number.isFinite(next) ? (value + next) / 2 : Math.sign(value) * 65_520);
  }
  bits.push(0x7f800000, 0xff800000, 0x7f7fffff, 0xff7fffff, 0x80000000, 1, 0x80000001, 0x007fffff);
  bits.push(0x7fc00000, 0xffc00000, 0x7f800001, 0xff801000, 0x7fffffff);
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/** Rounds to halves with the Float16Array of this runtime. Makes all NaNs equal. */
function roundedHalves(values: Float32Array): Uint16Array {
  return new Uint16Array(Float16Array.from(values).buffer).map(oneNaN);
}
const oneNaN = (half: number): number => ((half & 0x7fff) > 0x7c00 ? 0x7e00 : half);

describe('f16', () => {
  test('f32 is rounded to the nearest half, ties to even, at and beside every half', async () => {
    const values = aroundHalves();
    const kept = await encode(newStore(), specOf(values.length, 1, 'f16'), 'f32', bytesOf(values));
    const halves = new Uint16Array(keptBytes(kept).buffer);
    expect(halves.map(oneNaN)).toEqual(roundedHalves(values));
  });

  test('any f32 is rounded to the nearest half', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 4, maxLength: 400, size: 'max' }), async (raw) => {
        const values = new Float32Array(raw.slice(0, raw.length - (raw.length % 4)).buffer);
        const kept = await encode(newStore(65_536), specOf(1, values.length, 'f16'), 'f32', bytesOf(values));
        expect(new Uint16Array(keptBytes(kept).buffer).map(oneNaN)).toEqual(roundedHalves(values));
      }),
      { numRuns: runs.encodedRows },
    );
  });

  test('rows that are f16 already are kept unchanged, including NaN', async () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, half) => half);
    const kept = await encode(newStore(), specOf(256, 256, 'f16'), 'f16', bytesOf(all));
    expect(keptBytes(kept)).toEqual(bytesOf(all));
  });
});

/** Quantises a row like PyTorch, in a simple form. @returns q of each column, scale and bias; undefined if it cannot */
function quantised(
  row: Float32Array,
  dtype: 'int8' | 'int4',
): { readonly q: number[]; readonly tail: Uint8Array } | undefined {
  const { fround } = Math;
  const half = (x: number): number => Float16Array.of(x)[0];
  const toEven = (x: number): number => {
    const [down, rest] = [Math.floor(x), x - Math.floor(x)];
    return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
  };
  const [least, most] = [Math.min(...row), Math.max(...row)];
  const q = (low: number, inverse: number, max: number): number[] =>
    Array.from(row, (x) => Math.min(max, Math.max(0, toEven(fround(fround(x - low) * inverse)))));
  if (dtype === 'int8') {
    const range = fround(most - least);
    if (!Number.isFinite(range)) return undefined;
    const inverse = fround(255 / fround(range + fround(1e-8)));
    return { q: q(least, inverse, 255), tail: bytesOf(Float32Array.of(range / 255, least)) };
  }
  const low = half(least);
  const range = fround(most - low);
  let scale = half(range === 0 ? 1 : fround(range / 15));
  if (!Number.isFinite(low) || !Number.isFinite(scale)) return undefined;
  if (scale === 0) scale = 1;
  return { q: q(low, fround(1 / scale), 15), tail: bytesOf(Float16Array.of(scale, low)) };
}

test.for(['int8', 'int4'] as const)('any row is quantised to %s like in the simple form', async (dtype) => {
  const value = fc.oneof(
    fc.float({ noNaN: true, noDefaultInfinity: true, min: -30_000, max: 30_000 }),
    fc.constantFrom(
      0,
      -0,
      1,
      -1,
      0.5,
      1e-30,
      -1e-38,
      65_504,
      3e38,
      -3e38,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
  );
  const kinds = fc.array(value, { minLength: 1, maxLength: 70, size: 'max' });
  await fc.assert(
    fc.asyncProperty(kinds, fc.boolean(), async (numbers, plain) => {
      const row = Float32Array.from(numbers, (x) => (plain ? Math.abs(x % 1000) : x));
      const wanted = quantised(row, dtype);
      const kept = encode(newStore(65_536), specOf(1, row.length, dtype), 'f32', bytesOf(row));
      if (wanted === undefined) {
        await expect(kept).rejects.toMatchObject({ code: 'INVALID_TABLE' });
        return;
      }
      const packed = dtype === 'int8' ? wanted.q : nibbles(wanted.q);
      expect(keptBytes(await kept)).toEqual(Uint8Array.of(...packed, ...wanted.tail));
    }),
    { numRuns: runs.encodedRows },
  );
});

function nibbles(q: readonly number[]): number[] {
  return Array.from({ length: Math.ceil(q.length / 2) }, (_, i) => q[2 * i] | ((q[2 * i + 1] ?? 0) << 4));
}

describe('f16 and bf16 sources', () => {
  const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  const values = {
    f16: Float32Array.from(all, reference.halfToNumber),
    bf16: new Float32Array(Uint32Array.from(all, (bits) => bits << 16).buffer),
  };

  test.for(['f16', 'bf16'] as const)('every %s becomes the f32 of the same value', async (source) => {
    const kept = await encode(newStore(), specOf(1024, 64, 'f32'), source, bytesOf(all));
    const got = new Float32Array(keptBytes(kept).buffer);
    expect(reference.canonical(got)).toEqual(reference.canonical(values[source].slice()));
    // toEqual does not distinguish −0 and 0.
    got.forEach((value, i) => {
      if (!Object.is(value, values[source][i])) expect.fail(`${source} ${i} became ${value}`);
    });
  });

  test.for([
    ['f16', 'int8'],
    ['f16', 'int4'],
    ['bf16', 'f16'],
    ['bf16', 'int8'],
    ['bf16', 'int4'],
  ] as const)('%s is kept as %s with the same bytes as its f32', async ([source, dtype]) => {
    const finite = all.filter((_, i) => Math.abs(values[source][i]) < 30_000);
    const dim = 61;
    const rows = Math.floor(finite.length / dim);
    const taken = finite.slice(0, rows * dim);
    const f32 = Float32Array.from(taken, (bits) => values[source][bits]);
    const narrow = await encode(newStore(), specOf(rows, dim, dtype), source, bytesOf(taken));
    const wide = await encode(newStore(), specOf(rows, dim, dtype), 'f32', bytesOf(f32));
    expect(keptBytes(narrow)).toEqual(keptBytes(wide));
  });
});

describe('rows that cannot be quantised', () => {
  const faults: [string, number, number][] = [
    ['NaN', 0, Number.NaN],
    ['Infinity', 0, Number.POSITIVE_INFINITY],
    ['−Infinity', 0, Number.NEGATIVE_INFINITY],
    ['an infinite range', 3e38, -3e38],
  ];
  const dims = [1, 2, 3, 16, 33];
  test.for(faults)('%s: int8 and int4 name the row, and free the memory', async ([, one, other]) => {
    for (const dtype of ['int8', 'int4'] as const) {
      for (const dim of other === -3e38 ? dims.slice(1) : dims) {
        for (const bad of [0, 7, 19]) {
          const store = newStore(65_536);
          const rows = new Float32Array(20 * dim).fill(1);
          rows[bad * dim] = one;
          rows[bad * dim + dim - 1] = other;
          const error = await encode(store, specOf(20, dim, dtype), 'f32', bytesOf(rows)).catch(
            (e: unknown) => e,
          );
          expect(error).toBeInstanceOf(FlexemrError);
          expect({ ...(error as FlexemrError) }).toMatchObject({
            code: 'INVALID_TABLE',
            field: 'rows',
            position: bad,
          });
          expect((error as FlexemrError).message).toContain(`row ${bad} `);
          const [arena] = store.arenas;
          const fresh = newStore(65_536);
          const again = await encode(fresh, specOf(20, dim, dtype), 'f32', bytesOf(rows.fill(1)));
          fresh.freeTable(again);
          expect([arena.rows.largest, arena.slots.largest, store.tables.size]).toEqual([
            fresh.arenas[0].rows.largest,
            fresh.arenas[0].slots.largest,
            0,
          ]);
        }
      }
    }
  });

  test('with several shards, the error names the row of the table', async () => {
    const store = new Store(kernelModule('shared'), { slotBytes: 65_536, shardBytes: 5 * 12 });
    const rows = new Float32Array(20 * 4);
    rows[13 * 4] = Number.NaN;
    const error = await encode(store, specOf(20, 4, 'int8'), 'f32', bytesOf(rows)).catch((e: unknown) => e);
    expect((error as FlexemrError).position).toBe(13);
  });

  test('f32 and f16 keep them', async () => {
    for (const dtype of ['f32', 'f16'] as const) {
      const rows = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 1, 2);
      const table = await encode(newStore(), specOf(2, 2, dtype), 'f32', bytesOf(rows));
      expect(table.shards[0].rows.finite).toBe(false);
      expect(reference.decodeRow(keptBytes(table), dtype, 2, 0)).toEqual(rows.subarray(0, 2));
    }
  });
});

test('rows are finite for the kernels if every value that they can decode to is finite', () => {
  const special = fc.constantFrom(0, 0x7c00, 0xfc00, 0x7e01, 0x7bff, 0xfbff, 0x7f80, 0xff80, 0x7fc0, 0x3c00);
  const store = newStore();
  const { arena, address } = store.allocate(2 ** 16, 0);
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      fc.constantFrom(...dtypes),
      fc.integer({ min: 1, max: 70 }),
      fc.nat({ max: 20 }),
      fc.infiniteStream(fc.nat({ max: 0x7b7b })),
      fc.array(fc.tuple(fc.nat(), special), { maxLength: 2 }),
      fc.nat({ max: 20 }),
      (dtype, dim, rows, stream, faults, lines) => {
        const stride = reference.rowBytes(dtype, dim);
        const bytes = bytesOf(Uint16Array.from(stream.take(Math.ceil((stride * rows) / 2)))).slice(
          0,
          rows * stride,
        );
        const view = new DataView(bytes.buffer);
        for (const [at, half] of faults) {
          if (rows === 0) continue;
          const tail = (at % rows) * stride + (dtype === 'int8' ? dim : Math.ceil(dim / 2));
          const column = (at % (rows * dim)) * (dtype === 'f32' ? 4 : 2);
          if (dtype === 'f16') view.setUint16(column, half, true);
          else if (dtype === 'f32') view.setUint16(column + 2, half, true);
          else if (dtype === 'int8') view.setUint16(tail + (at % 2) * 4 + 2, half, true);
          else view.setUint16(tail + (at % 2) * 2, half, true);
        }
        // Quantised rows count as finite only if the largest codes are finite too.
        const most = bytes.slice();
        const codes = dtype === 'int8' ? dim : dtype === 'int4' ? Math.ceil(dim / 2) : 0;
        for (let row = 0; row < rows; row++) most.fill(255, row * stride, row * stride + codes);
        const every = (of: Uint8Array): boolean =>
          Array.from({ length: rows }, (_, row) => reference.decodeRow(of, dtype, dim, row)).every((row) =>
            row.every(Number.isFinite),
          );
        const place = address + lines * 4;
        arena.bytes.fill(255, address, address + bytes.length + 4096);
        arena.bytes.set(bytes, place);
        const got = arena.kernels.rowsFinite(place, dtypeCodes[dtype], rows, dim) === 1;
        expect(got).toBe(every(bytes) && every(most));
        seen.add(`${dtype} ${got}`);
      },
    ),
    { numRuns: 4 * runs.encodedRows },
  );
  expect(seen.size).toBe(8);
});
