// Rows made up for a workload, in a file that everybody loads.
import { writeSafetensors } from '../../src/index.ts';
import { fillFloats } from '../data.ts';
import type { TableShape } from './workload.ts';

const pieceFloats = 1 << 21;

/** Writes f32 rows in [−1, 1), the same on every run, as docs/export.md says. */
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
    // Any seed but 0 will do; each piece has one of its own.
    fillFloats(own, (table + 1) * 65_536 + at / pieceFloats);
    yield own;
  }
}
