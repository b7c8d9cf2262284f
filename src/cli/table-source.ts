import { readFile } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import type { TableSource } from '../store/table-file.ts';

/** Options for the tables of a command. */
export interface TableOptions {
  /** A safetensors file, or the index of several. */
  readonly tables: string;
  /** A JSON file with the list of tables, if the file of the tables does not list them. */
  readonly tableList?: string | undefined;
}

/** @throws INVALID_FILE if the list cannot be read */
export async function tableSource({ tables, tableList }: TableOptions): Promise<TableSource> {
  return tableList === undefined ? tables : { file: tables, list: await readList(tableList) };
}

type TableList = Exclude<TableSource, string>['list'];

/** Reads the list. The caller checks its contents when it opens the tables. */
async function readList(path: string): Promise<TableList> {
  try {
    return parseJsonText(await readFile(path, 'utf8')) as TableList;
  } catch (cause) {
    const message = `cannot read the list of tables in ${path}: ${(cause as Error).message}. It must be a JSON list of {name, rows, dim, mode, tensor} (docs/export.md).`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'tableList', value: path, cause });
  }
}
