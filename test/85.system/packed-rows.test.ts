// Rows that are already quantised, in PyTorch's packed layouts, are kept byte for byte, in one process and over nodes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import {
  FlexemrError,
  type KeyedBags,
  type Lookup,
  MemoryNodeHost,
  openRanker,
  openTables,
  reference,
  type StoredTableSpec,
  Tables,
  writeSafetensors,
} from '../../src/index.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { bits, expectBits } from '../bits.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-packed-'));
afterAll(() => rmSync(dir, { recursive: true }));

const rows = 60;
const [random] = fc.sample(fc.infiniteStream(fc.nat({ max: 255 })), { numRuns: 1, seed: 12 });

/** Random quantised rows, each followed by scale and bias as f32 (int8) or f16 (int4). */
function packedRows(dtype: 'int8' | 'int4', dim: number): Uint8Array<ArrayBuffer> {
  const stride = reference.rowBytes(dtype, dim);
  const packed = Uint8Array.from(random.take(rows * stride));
  const view = new DataView(packed.buffer);
  for (let row = 0; row < rows; row++) {
    const tail = (row + 1) * stride - (dtype === 'int8' ? 8 : 4);
    if (dtype === 'int8') {
      view.setFloat32(tail, (row + 1) / 512, true);
      view.setFloat32(tail + 4, -row / 8, true);
    } else {
      view.setUint16(tail, 0x2400 + row, true);
      view.setUint16(tail + 2, 0xb000 + row, true);
    }
  }
  return packed;
}

const list: StoredTableSpec[] = [
  { name: 'a', rows, dim: 8, mode: 'sum', dtype: 'int8', tensor: 'a.weight' },
  { name: 'b', rows, dim: 7, mode: 'mean', dtype: 'int4', tensor: 'b.weight' },
  { name: 'c', rows, dim: 12, mode: 'none', dtype: 'int8', tensor: 'c.weight' },
];
const packed = list.map(({ dtype, dim }) => packedRows(dtype as 'int8', dim));
const bags: KeyedBags = Object.fromEntries(
  list.map(({ name }) => [name, { keys: [0, 59, 3, 3, 17, 30, 31, 20], offsets: [0, 3, 3] }]),
);

async function write(): Promise<{ index: string; one: string }> {
  const tensors = list.map(({ tensor }, i) => {
    return { name: tensor, dtype: 'U8', shape: [rows, packed[i].length / rows], data: packed[i] } as const;
  });
  const one = join(dir, 'one.safetensors');
  await writeSafetensors(one, tensors, { tables: JSON.stringify(list) });
  await writeSafetensors(join(dir, 'x.safetensors'), tensors.slice(0, 1));
  await writeSafetensors(join(dir, 'y.safetensors'), tensors.slice(1));
  const index = join(dir, 'model.safetensors.index.json');
  const file = (i: number): string => (i === 0 ? 'x.safetensors' : 'y.safetensors');
  writeFileSync(
    index,
    JSON.stringify({ weight_map: Object.fromEntries(tensors.map(({ name }, i) => [name, file(i)])) }),
  );
  return { index, one };
}

test('one file, several files with a list, and rows in memory give the same bits, over any nodes', async () => {
  const { index, one } = await write();
  await using given = new Tables();
  for (const [i, { tensor: _, ...spec }] of list.entries()) await given.add(spec, { rows: packed[i] });
  const wanted = bits(await given.lookup(bags));
  const same = (lookup: Lookup): void => expectBits(bits(lookup), wanted);
  const source = { file: index, list };
  for (const tables of [one, source]) {
    await using opened = await openTables(tables);
    same(await opened.lookup(bags));
  }
  const planned = await plannedTables(one, undefined);
  expect(await plannedTables(source, undefined)).toEqual(planned);
  for (const count of [1, 2, 3])
    for (const split of ['table', 'row'] as const) {
      const ids = Array.from({ length: count }, (_, i) => ({ id: `n${i}` }));
      const { routing } = planSharding({ tables: planned, nodes: ids, split });
      const nodes = await Promise.all(
        ids.map(({ id }, i) => MemoryNodeHost.start({ tables: i % 2 ? one : source, routing, node: id })),
      );
      const reached = { ...routing, nodes: ids.map(({ id }, i) => ({ id, url: nodes[i].url })) };
      for (const transport of ['stream', 'http'] as const) {
        await using ranker = await openRanker({ routing: reached, transport });
        // Bags over several shards are added in another order, except bags of one key.
        if (split === 'table' || count === 1) same(await ranker.lookup(bags));
        const single = Object.fromEntries(
          Object.entries(bags).map(([name, { keys }]) => [
            name,
            { keys, lengths: new Array(keys.length).fill(1) },
          ]),
        );
        expectBits(bits(await ranker.lookup(single)), bits(await given.lookup(single)));
      }
      await Promise.all(nodes.map((node) => node.close()));
    }
});

test.for([
  ['another dtype is asked for', { dtype: 'f16' }, {}, /already.*omit the dtype/],
  ['the list names no dtype', {}, { dtype: undefined }, /U8 if the table is listed as int8 or int4/],
  [
    'the list names the other layout',
    {},
    { dtype: 'int4' },
    /listed as int4\[60, 8\].*\[60, 16\], not \[60, 8\]/,
  ],
  ['the list has another dim', {}, { dim: 9 }, /\[60, 16\], not \[60, 17\]/],
] as const)('refused if %s', async ([, options, change, says]) => {
  const { index } = await write();
  const changed = [{ ...list[0], ...change }];
  const error = await openTables({ file: index, list: changed }, options as object).catch(
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(FlexemrError);
  expect(error).toMatchObject({ code: 'INVALID_TABLE', message: expect.stringMatching(says) });
});
