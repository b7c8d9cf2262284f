// What a process with a memory limit does, and what it tells of it.
import type { CacheSize } from '../../src/ranker/cache-size.ts';

/** A part of a day. */
export interface Phase {
  readonly seconds: number;
  /** Candidates of each request, and requests that wait or run at a time. */
  readonly candidates: number;
  readonly outstanding: number;
}

export interface Day {
  readonly routing: string;
  readonly networks: readonly string[];
  /** Bags of one key of each table: rows, and the exponent of Zipf's law. */
  readonly tables: readonly string[];
  readonly rows: number;
  readonly exponent: number;
  readonly dense: number;
  readonly seed: number;
  /** A fixed size, or `adaptive`. */
  readonly cache: CacheSize;
  /** Bytes of the memory limit. */
  readonly limit: number;
  readonly window: number;
  /** Most candidates of a batch. */
  readonly batchCandidates: number;
  /** First, small batches fill a fixed cache. */
  readonly fill: boolean;
  readonly phases: readonly Phase[];
}

/** What happened in a phase. The first half of its time is not counted, but for the largest batch. */
export interface PhaseResult {
  readonly samples: number;
  readonly seconds: number;
  /** µs of CPU of the ranker's process. */
  readonly cpuUs: number;
  /** ms of a request. */
  readonly p50: number;
  readonly p99: number;
  readonly largestBatch: number;
  /** Bytes that memory nodes sent, and bytes that they did not have to send. */
  readonly replyBytes: number;
  readonly hitBytes: number;
  /** Of the cache, at the end. */
  readonly cacheBytes: number;
}
