import * as v from 'valibot';
import { check, filePath, given, isObject, options } from '../check.ts';
import { checkStoredTables, type StoredTableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from './safetensors.ts';

/**
 * Where tables are stored: the path of a safetensors file, or of the index of several files, which lists its tables in
 * `__metadata__.tables`; or such a file with a separate list of its tables.
 */
export type TableSource = string | { readonly file: string; readonly list: readonly StoredTableSpec[] };

const listed = options({ file: filePath, list: given<unknown>('a list of tables') });

/** Checks the source of tables. @param name of the argument @throws INVALID_OPTION, INVALID_TABLE */
export function checkSource(source: TableSource, name: string): TableSource {
  if (typeof source === 'string') return check(filePath, source, name);
  const wanted = 'the path of a file, or { file, list }';
  check(v.custom<object>(isObject, wanted), source, name);
  const { file, list } = check(listed, source, name);
  return { file, list: checkStoredTables(list, 'list', file) };
}

/** Opens the file of a source. @throws INVALID_FILE, INVALID_OPTION, INVALID_TABLE */
export async function openTableFile(source: TableSource): Promise<SafetensorsFile> {
  const checked = checkSource(source, 'tables');
  if (typeof checked === 'string') return await SafetensorsFile.open(checked);
  return await SafetensorsFile.open(checked.file, checked.list);
}
