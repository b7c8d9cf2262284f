// Generates the rows of a workload, and writes them to the file that all contenders load.
import { writeSafetensors } from '../../src/index.ts';
import { fillFloats } from '../data.ts';
import type { TableShape } from './workload.ts';

const pieceFloats = 1 << 21;

/** Writes f32 rows with values in [−1, 1), the same on every run, in the format of docs/export.md. */
export async function writeTables(path: string, tables: readonly TableShape[]): Promise<void> {
  const stored = tables.map((table) => ({ ...table, tensor: `emb.${table.name}` }));
  const tensors = stored.map(({ tensor, rows, dim }, i) => {
    return { name: tensor, dtype: 'F32', shape: [rows, dim], data: rowPieces(rows * dim, i) } as const;
  });
  await writeSafetensors(path, tensors, { tables: JSON.stringify(stored) });
}

async function* rowPieces(floats: number, table: number): AsyncGenerator<Float32Array> {
  const piece = new Float32Array(Math.min(floats, pieceFloats));
  for (let at = 0; at < floats; at += pieceFloats) {
    const own = piece.subarray(0, Math.min(floats - at, pieceFloats));
    // Each piece has its own seed, which must not be 0.
    fillFloats(own, (table + 1) * 65_536 + at / pieceFloats);
    yield own;
  }
}
