// The tables that are swapped: each version has other rows.
import type { KeyedBags } from '../../src/plan/bags.ts';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';

const tables = 8;
export const dim = 64;
/** Bags and keys of a lookup, in each table. */
const bags = 16;
const keysPerBag = 4;

export const names = Array.from({ length: tables }, (_, i) => `t${i}`);

/** Rows of each table, if all of them together have so many bytes. */
export function rowsOf(bytes: number): number {
  return Math.floor(bytes / (tables * dim * 4));
}

/** Writes a version. Its rows are not those of any other version, so nodes load all of them. */
export async function writeVersion(path: string, version: number, rows: number): Promise<void> {
  const data = new Float32Array(rows * dim).fill(version);
  const listed = names.map((name) => ({ name, rows, dim, mode: 'sum', tensor: name }));
  const tensors = names.map((name) => ({ name, dtype: 'F32', shape: [rows, dim], data }) as const);
  await writeSafetensors(path, tensors, { tables: JSON.stringify(listed) });
}

/** Bags with keys at random. */
export function randomBags(rows: number): KeyedBags {
  const lengths = new Uint32Array(bags).fill(keysPerBag);
  return Object.fromEntries(
    names.map((name) => {
      const keys = Uint32Array.from({ length: bags * keysPerBag }, () => Math.floor(Math.random() * rows));
      return [name, { keys, lengths }];
    }),
  );
}
