// A file of tables in every dtype, in memory and on disk, for tests of servers.
import { readFile } from 'node:fs/promises';
import {
  openTables,
  type RowDtype,
  type TableSource,
  type Tables,
  writeSafetensors,
} from '../../src/index.ts';

export const rows = 700;
export const dim = 12;

/** Pseudo-random floats, the same in every run. */
function floats(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const list = (['F32', 'BF16', 'indexed'] as const).map((name) => ({
  ...{ name, rows, dim, mode: 'sum', tensor: name === 'indexed' ? 'F32' : name },
  ...(name === 'indexed' && { ids: 'ids' }),
}));

/** Writes the file. @returns its bytes */
export async function writeFileOfTables(path: string): Promise<Uint8Array> {
  await writeSafetensors(
    path,
    [
      { name: 'F32', dtype: 'F32', shape: [rows, dim], data: floats(rows * dim, 1) },
      {
        name: 'BF16',
        dtype: 'BF16',
        shape: [rows, dim],
        data: new Uint16Array(floats(rows * dim, 2).buffer).filter((_, i) => i % 2 === 1),
      },
      {
        name: 'ids',
        dtype: 'U64',
        shape: [rows],
        data: BigUint64Array.from({ length: rows }, (_, row) => BigInt(row) * 0x9e37_79b9_7f4an),
      },
    ],
    { tables: JSON.stringify(list) },
  );
  return new Uint8Array(await readFile(path));
}

/** Every row of every table. */
export async function everyRow(tables: Tables): Promise<Record<string, Float32Array>> {
  const lengths = new Array(rows).fill(1);
  const row = Array.from({ length: rows }, (_, i) => i);
  const keys = { indexed: BigUint64Array.from(row, (i) => BigInt(i) * 0x9e37_79b9_7f4an) } as Record<
    string,
    BigUint64Array
  >;
  const bags = tables.specs.map(({ name }) => [name, { keys: keys[name] ?? row, lengths }]);
  const pooled = await tables.lookup(Object.fromEntries(bags));
  return Object.fromEntries([...pooled].map(([name, { values }]) => [name, values]));
}

/** Loads the tables of a source. @returns every row of every table */
export async function loaded(
  source: TableSource,
  dtype?: RowDtype,
  threads = 1,
): Promise<Record<string, Float32Array>> {
  await using tables = await openTables(source, { dtype, threads, slotBytes: 2 ** 18 });
  return await everyRow(tables);
}
