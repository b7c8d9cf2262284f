import type { ErrorCode } from '../errors.ts';
import { ErrorCounts, type ErrorsByCode } from '../wire/error-counts.ts';
import { type Distribution, Histogram } from './histogram.ts';

/** What a worker has done since it started, and what it holds now. */
export interface WorkerStats {
  /** Subrequests whose answer has begun. */
  readonly subrequests: number;
  readonly keys: number;
  /** Segments that the worker pooled, or whose rows it sent as vectors. */
  readonly segmentsPooled: number;
  /** Segments whose rows it sent as stored, so that the ranker pools them; and the number of these rows. */
  readonly segmentsFetched: number;
  readonly rowsFetched: number;
  /** Subrequests answered with an error, including those that were refused for lack of space. */
  readonly errors: number;
  readonly errorsByCode: ErrorsByCode;
  readonly refused: number;
  /** µs spent on reading frames and pooling. */
  readonly busyUs: number;
  /** Seconds from a complete frame to its reply, of all subrequests that were answered (`secondsBounds`). */
  readonly seconds: Distribution;
  /** Keys of subrequests whose answer has begun (`keysBounds`). */
  readonly sizes: Distribution;
  /** Subrequests held now, and those of them that wait for a slice of their own. */
  readonly held: number;
  readonly waiting: number;
  /** Bytes of memory for frames and replies, and how many of them are free now. */
  readonly slotBytes: number;
  readonly slotBytesFree: number;
}

/** Bounds of the seconds that subrequests take, and of their numbers of keys. */
export const secondsBounds: readonly number[] = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];
export const keysBounds: readonly number[] = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576,
];

/** The contents of a subrequest that its kernel has counted. */
interface Opened {
  readonly keys: number;
  readonly segments: number;
  readonly fetches: number;
  readonly fetchedKeys: number;
}

/** Counts what a worker does. */
export class WorkerCounts {
  refused = 0;
  busyUs = 0;
  #subrequests = 0;
  #keys = 0;
  #segmentsPooled = 0;
  #segmentsFetched = 0;
  #rowsFetched = 0;
  #errors = 0;
  readonly #errorsByCode = new ErrorCounts();
  readonly #seconds = new Histogram(secondsBounds);
  readonly #sizes = new Histogram(keysBounds);

  /** The answer to a subrequest has begun. */
  opened({ keys, segments, fetches, fetchedKeys }: Opened): void {
    this.#subrequests++;
    this.#keys += keys;
    this.#segmentsPooled += segments - fetches;
    this.#segmentsFetched += fetches;
    this.#rowsFetched += fetchedKeys;
    this.#sizes.add(keys);
  }

  /** A complete subrequest was answered, `ms` after it had arrived. */
  answered(ms: number): void {
    this.#seconds.add(ms / 1000);
  }

  /** A subrequest was answered with an error. */
  failed(code: ErrorCode): void {
    this.#errors++;
    this.#errorsByCode.add(code);
  }

  get stats(): Omit<WorkerStats, 'held' | 'waiting' | 'slotBytes' | 'slotBytesFree'> {
    return {
      subrequests: this.#subrequests,
      keys: this.#keys,
      segmentsPooled: this.#segmentsPooled,
      segmentsFetched: this.#segmentsFetched,
      rowsFetched: this.#rowsFetched,
      errors: this.#errors,
      errorsByCode: this.#errorsByCode.byCode,
      refused: this.refused,
      busyUs: this.busyUs,
      seconds: this.#seconds.distribution,
      sizes: this.#sizes.distribution,
    };
  }
}
