import { openTables, type Tables } from '../lookup/tables.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import { LoadBar } from './progress.ts';

/** Options that every command with tables takes. */
export interface TableOptions {
  readonly tables: string;
  readonly dtype?: RowDtype | undefined;
  readonly threads: number;
}

/** Opens the tables of a command, with a progress bar on a terminal. */
export async function openWithBar({ tables, dtype, threads }: TableOptions): Promise<Tables> {
  const bar = new LoadBar();
  try {
    return await openTables(tables, { dtype, threads, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}
