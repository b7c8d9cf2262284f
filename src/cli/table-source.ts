import { readFile } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import type { TableFile, TableSource } from '../store/table-file.ts';
import { readToken } from './security.ts';

/** Options for the tables of a command. */
export interface TableOptions {
  /** A safetensors file, or the index of several; a path or a URL. */
  readonly tables: string;
  /** A JSON file with the list of tables, if the file of the tables does not list them. */
  readonly tableList?: string | undefined;
  /** A file with a token for the server of the tables. */
  readonly tablesTokenFile?: string | undefined;
}

/** @throws INVALID_FILE if the list or the token cannot be read */
export async function tableSource({
  tables,
  tableList,
  tablesTokenFile,
}: TableOptions): Promise<TableSource> {
  return {
    file: tables,
    list: tableList === undefined ? undefined : await readList(tableList),
    token: tablesTokenFile === undefined ? undefined : await readToken('tablesTokenFile', tablesTokenFile),
  };
}

type TableList = TableFile['list'];

/** Reads the list. The caller checks its contents when it opens the tables. */
async function readList(path: string): Promise<TableList> {
  try {
    return parseJsonText(await readFile(path, 'utf8')) as TableList;
  } catch (cause) {
    const message = `cannot read the list of tables in ${path}: ${(cause as Error).message}. It must be a JSON list of {name, rows, dim, mode, tensor} (docs/export.md).`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'tableList', value: path, cause });
  }
}
