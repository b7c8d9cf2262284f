import { checkStoredTables, type StoredTableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from './safetensors.ts';

/**
 * Where tables are: a safetensors file, or the index of several, that lists them in `__metadata__.tables`; or such a file
 * with a list beside it.
 */
export type TableSource = string | { readonly file: string; readonly list: readonly StoredTableSpec[] };

/** Opens the file of a source. @throws INVALID_FILE, INVALID_TABLE */
export async function openTableFile(source: TableSource): Promise<SafetensorsFile> {
  if (typeof source === 'string') return await SafetensorsFile.open(source);
  return await SafetensorsFile.open(source.file, checkStoredTables(source.list, 'list', source.file));
}
