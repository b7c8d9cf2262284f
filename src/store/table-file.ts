import * as v from 'valibot';
import { check, filePath, given, isObject, options } from '../check.ts';
import { checkStoredTables, type StoredTableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from './safetensors.ts';
import { checkToken, shownPath } from './table-url.ts';

/** A file of tables, with what it does not say itself. */
export interface TableFile {
  readonly file: string;
  /** The tables, if the file does not list them itself. */
  readonly list?: readonly StoredTableSpec[] | undefined;
  /** A token for the server, if the file is a URL: `Authorization: Bearer …`. */
  readonly token?: string | undefined;
}

/**
 * Where tables are stored: the path or the http(s):// URL of a safetensors file, or of the index of several files, which
 * lists its tables in `__metadata__.tables`; or such a file with a separate list of its tables, or with a token.
 */
export type TableSource = string | TableFile;

const tableFile = options({
  file: filePath,
  list: v.optional(given<unknown>('a list of tables')),
  token: v.optional(v.string()),
});

/** What a source of tables is, for error messages. */
export const tableSourceText = 'the path of a file, or { file, list, token }';

/** Checks the source of tables. @param name of the argument @throws INVALID_OPTION, INVALID_TABLE */
export function checkSource(source: TableSource, name: string): TableSource {
  if (typeof source === 'string') return check(filePath, source, name);
  check(v.custom<object>(isObject, tableSourceText), source, name);
  const { file, list, token } = check(tableFile, source, name);
  checkToken(file, token);
  return {
    file,
    list: list === undefined ? undefined : checkStoredTables(list, 'list', shownPath(file)),
    token,
  };
}

/** Opens the file of a source. @throws as SafetensorsFile.open */
export async function openTableFile(source: TableSource): Promise<SafetensorsFile> {
  const checked = checkSource(source, 'tables');
  if (typeof checked === 'string') return await SafetensorsFile.open(checked);
  return await SafetensorsFile.open(checked.file, checked.list, checked.token);
}
