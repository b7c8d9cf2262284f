// The tensors of a table in a snapshot, made in pieces while its file is written.
import { FlexemrError } from '../errors.ts';
import type { StoredTableSpec } from '../plan/table-spec.ts';
import type { TensorData } from '../store/safetensors-writer.ts';
import { idPieces, type ReplayedTable, readIdPiece, rowsAtOnce, type TableInFile } from './replayed-table.ts';
import { StoredRows } from './stored-rows.ts';
import type { WriterArena } from './writer-arena.ts';

export interface SnapshotTensors {
  /** Its entry in the list of tables. */
  readonly stored: StoredTableSpec;
  readonly tensors: readonly TensorData[];
}

/** Rows of the file stay in their order, without those whose ids are gone; new ids follow. @throws INVALID_TABLE if no row is left */
export function snapshotTensors(
  given: TableInFile,
  replayed: ReplayedTable,
  arena: WriterArena,
  position: number,
): SnapshotTensors {
  const { file, from, table } = given;
  const { rows, isInFile } = replayed;
  const fresh = table.indexed ? BigUint64Array.from([...rows.written()].filter((id) => !isInFile(id))) : none;
  const gone = [...rows.deleted()].filter(isInFile).length;
  const [inFile] = file.entry(from.stored.tensor).shape;
  const count = inFile - gone + fresh.length;
  if (count === 0) throw empty(table.spec.name);
  const [tensor, ids] = [`rows_${position}`, `ids_${position}`];
  const stored = new StoredRows(file, from, arena);
  const data = rowPieces(given, replayed, stored, fresh);
  const own = { name: tensor, dtype: stored.dtype, shape: [count, stored.columns], data };
  const idData = idPiecesOf(given, replayed, fresh);
  return {
    stored: { ...from.stored, rows: count, tensor, ...(table.indexed && { ids }) },
    tensors: table.indexed ? [{ name: ids, dtype: 'U64', shape: [count], data: idData }, own] : [own],
  };
}

const none = new BigUint64Array();

async function* idPiecesOf(
  { file, from }: TableInFile,
  { rows }: ReplayedTable,
  fresh: BigUint64Array,
): AsyncGenerator<BigUint64Array> {
  for await (const ids of idPieces(file, from))
    yield ids.filter((id) => !rows.has(id) || rows.get(id) !== undefined);
  yield fresh;
}

async function* rowPieces(
  { file, from, table }: TableInFile,
  { rows }: ReplayedTable,
  stored: StoredRows,
  fresh: BigUint64Array,
): AsyncGenerator<Uint8Array> {
  const [count] = file.entry(from.stored.tensor).shape;
  const most = rowsAtOnce(table.spec);
  const { rowBytes } = stored;
  for (let first = 0; first < count; first += most) {
    const piece = await stored.read(first, Math.min(most, count - first));
    const own = piece.length / rowBytes;
    if (rows.size === 0) {
      yield piece;
      continue;
    }
    const ids = table.indexed ? await readIdPiece(file, from.stored.ids ?? '', first, own) : undefined;
    let kept = 0;
    for (let i = 0; i < own; i++) {
      const key = ids === undefined ? BigInt(first + i) : ids[i];
      const row = rows.get(key);
      if (row !== undefined) piece.set(stored.encode(row), kept++ * rowBytes);
      else if (!rows.has(key)) piece.copyWithin(kept++ * rowBytes, i * rowBytes, (i + 1) * rowBytes);
    }
    yield piece.subarray(0, kept * rowBytes);
  }
  for (let first = 0; first < fresh.length; first += most) {
    const own = fresh.subarray(first, first + most);
    const piece = new Uint8Array(own.length * rowBytes);
    for (const [i, id] of own.entries()) piece.set(stored.encode(rows.get(id) as Float32Array), i * rowBytes);
    yield piece;
  }
}

function empty(table: string): FlexemrError {
  const message = `all rows of table ${table} were deleted, and a file cannot have a table without rows: write a row first`;
  return new FlexemrError('INVALID_TABLE', message, { field: table });
}
