import { createHistogram } from 'node:perf_hooks';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { VectorOptions } from '../scorer/batch-run.ts';
import type { LookupSource } from './lookup-source.ts';

/** Measurements of lookups. The optional fields are known only for memory nodes. */
export interface Measured {
  readonly lookups: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Bytes through sockets, including headers. For loopback, only the bytes of frames. */
  readonly bytesOut?: number;
  readonly bytesIn?: number;
  readonly subrequests?: number;
  /** Segments (the bags of a shard) that were pooled at its node, or here from fetched rows. */
  readonly segmentsPushed?: number;
  readonly segmentsFetched?: number;
  /** Bags that were not sent, because an earlier bag of their feature was the same. */
  readonly bagsRepeated?: number;
  /** Bags that the cache answered. */
  readonly bagsCached?: number;
}

/** A source that measures the time of its lookups. */
export class Meter implements LookupSource {
  readonly #source: LookupSource;
  readonly #ns: ReturnType<typeof createHistogram> = createHistogram();
  readonly #before: LookupSource['stats'];

  constructor(source: LookupSource) {
    this.#source = source;
    this.#before = source.stats;
  }

  get specs(): readonly TableSpec[] {
    return this.#source.specs;
  }

  async lookup(bags: KeyedBags, options?: VectorOptions): Promise<Lookup> {
    const started = performance.now();
    const found = await this.#source.lookup(bags, options);
    this.#ns.record(Math.max(1, Math.round((performance.now() - started) * 1e6)));
    return found;
  }

  get measured(): Measured {
    const percentile = (percent: number): number =>
      this.#ns.count === 0 ? 0 : this.#ns.percentile(percent) / 1e6;
    const timed = { lookups: this.#ns.count, p50Ms: percentile(50), p99Ms: percentile(99) };
    const [now, before] = [this.#source.stats, this.#before];
    if (now === undefined || before === undefined) return timed;
    return {
      ...timed,
      bytesOut: now.bytesOut - before.bytesOut,
      bytesIn: now.bytesIn - before.bytesIn,
      subrequests: now.subrequests - before.subrequests,
      segmentsPushed: now.segmentsPushed - before.segmentsPushed,
      segmentsFetched: now.segmentsFetched - before.segmentsFetched,
      bagsRepeated: now.bagsRepeated - before.bagsRepeated,
      bagsCached: (now.cache?.hits ?? 0) - (before.cache?.hits ?? 0),
    };
  }
}
