// A run of rows on their way from a file into an arena, by whichever thread takes it.
import { readSync } from 'node:fs';
import type { Kernels } from '../kernel/kernels.ts';
import { NONE } from '../kernel/layout.ts';

/** What one call of `loadRows` does. Addresses are of the arena, dtypes are the kernels' codes. */
export interface RowsJob {
  /** Descriptor of the file, which stays open until the job is done, and the byte that the first row begins at. */
  readonly fd: number;
  readonly position: number;
  readonly rows: number;
  /** Rows that are read, converted and checked at a time. */
  readonly pieceRows: number;
  readonly dim: number;
  /** Of the rows in the file; undefined where they are in `dtype` already. */
  readonly sourceDtype: number | undefined;
  readonly sourceRowBytes: number;
  readonly dtype: number;
  readonly rowBytes: number;
  /** Where the first row is kept. */
  readonly out: number;
}

export interface LoadedRows {
  /** Whether every value is finite. */
  readonly finite: boolean;
  /** The first row, counted from the job's first, that cannot be quantised. The rows after it are not loaded. */
  readonly badRow?: number;
  /** Where the file ended before the last row did. */
  readonly endedAt?: number;
}

/** An arena as a thread sees it. */
export interface ArenaView {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
}

/**
 * Reads, converts and checks rows, a piece at a time that stays in the cache until all is done with it.
 * @param staging address of room for a piece, where rows are converted @throws what the system says
 */
export function loadRows(job: RowsJob, { kernels, bytes }: ArenaView, staging: number): LoadedRows {
  const { fd, sourceDtype, sourceRowBytes, dtype, rowBytes, dim } = job;
  let finite = true;
  for (let row = 0; row < job.rows; row += job.pieceRows) {
    const rows = Math.min(job.pieceRows, job.rows - row);
    const out = job.out + row * rowBytes;
    const into = sourceDtype === undefined ? out : staging;
    const position = job.position + row * sourceRowBytes;
    const read = readFully(fd, bytes.subarray(into, into + rows * sourceRowBytes), position);
    if (read < rows * sourceRowBytes) return { finite, endedAt: position + read };
    if (sourceDtype !== undefined) {
      const bad = kernels.encodeRows(staging, sourceDtype, rows, dim, dtype, out) >>> 0;
      if (bad !== NONE) return { finite, badRow: row + bad };
    }
    finite = kernels.rowsFinite(out, dtype, rows, dim) === 1 && finite;
  }
  return { finite };
}

/** @returns how many bytes there were */
function readFully(fd: number, target: Uint8Array, position: number): number {
  for (let done = 0; done < target.length; ) {
    const count = readSync(fd, target, done, target.length - done, position + done);
    if (count === 0) return done;
    done += count;
  }
  return target.length;
}
