// Loads consecutive rows into an arena, on any thread: from a file, or after the bytes were read into the arena.
import type { Kernels } from '../kernel/kernels.ts';
import { NONE } from '../kernel/layout.ts';
import { rest } from './pace.ts';
import { readNow } from './read-now.ts';

/** The work of one call of `loadRows`. Addresses are in the arena. Dtypes are the codes of the kernels. */
export interface RowsJob {
  /**
   * Descriptor of the file. It stays open until the job is done. Undefined if the bytes of all rows are in the arena
   * already: in their place, or in the staging buffer if they are converted.
   */
  readonly fd: number | undefined;
  /** Byte of the file at which the first row begins. */
  readonly position: number;
  readonly rows: number;
  /** Number of rows that are read, converted and checked at a time. */
  readonly pieceRows: number;
  readonly dim: number;
  /** Dtype of the rows in the file. Undefined if they are already in `dtype`. */
  readonly sourceDtype: number | undefined;
  readonly sourceRowBytes: number;
  readonly dtype: number;
  readonly rowBytes: number;
  /** Address of the first row in the arena. */
  readonly out: number;
  /** Whether lookups run meanwhile: the thread rests after each piece. */
  readonly paced: boolean;
}

/** The outcome of one job. */
export interface LoadedRows {
  /** Whether every value is finite. */
  readonly finite: boolean;
  /** The first row, counted from the job's first, that cannot be quantised. The rows after it are not loaded. */
  readonly badRow?: number;
  /** Byte at which the file ended, if it ended before the last row. */
  readonly endedAt?: number;
}

/** An arena as a thread sees it. */
export interface ArenaView {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
}

/**
 * Reads, converts and checks rows, one piece at a time. A piece stays in the cache during all of these steps.
 * @param staging address of a buffer, used if rows are converted: for one piece, or with all rows if there is no file
 * @throws errors of the system
 */
export function loadRows(job: RowsJob, { kernels, bytes }: ArenaView, staging: number): LoadedRows {
  const { fd, sourceDtype, sourceRowBytes, dtype, rowBytes, dim, paced } = job;
  let finite = true;
  for (let row = 0; row < job.rows; row += job.pieceRows) {
    const began = performance.now();
    const rows = Math.min(job.pieceRows, job.rows - row);
    const out = job.out + row * rowBytes;
    const staged = fd === undefined ? staging + row * sourceRowBytes : staging;
    if (fd !== undefined) {
      const into = sourceDtype === undefined ? out : staged;
      const position = job.position + row * sourceRowBytes;
      const read = readNow(fd, position, bytes.subarray(into, into + rows * sourceRowBytes));
      if (read < rows * sourceRowBytes) return { finite, endedAt: position + read };
    }
    if (sourceDtype !== undefined) {
      const bad = kernels.encodeRows(staged, sourceDtype, rows, dim, dtype, out) >>> 0;
      if (bad !== NONE) return { finite, badRow: row + bad };
    }
    finite = kernels.rowsFinite(out, dtype, rows, dim) === 1 && finite;
    if (paced) rest(began);
  }
  return { finite };
}
