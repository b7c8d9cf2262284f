import { createHistogram } from 'node:perf_hooks';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { LookupSource } from './lookup-source.ts';

/** How lookups went. */
export interface Measured {
  readonly lookups: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What memory nodes were asked, where there are any. */
  readonly remote?: {
    /** Through sockets, headers included; of loopback, frames alone. */
    readonly bytesOut: number;
    readonly bytesIn: number;
    readonly subrequests: number;
    /** Bags of a shard: pooled at its node, or by rows that were fetched. */
    readonly segmentsPushed: number;
    readonly segmentsFetched: number;
  };
}

/** A source, and how long its lookups take. */
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

  async lookup(bags: KeyedBags): Promise<Lookup> {
    const started = performance.now();
    const found = await this.#source.lookup(bags);
    this.#ns.record(Math.max(1, Math.round((performance.now() - started) * 1e6)));
    return found;
  }

  get measured(): Measured {
    const [p50Ms, p99Ms] = [50, 99].map((percent) =>
      this.#ns.count === 0 ? 0 : this.#ns.percentile(percent) / 1e6,
    );
    const [now, before] = [this.#source.stats, this.#before];
    const timed = { lookups: this.#ns.count, p50Ms, p99Ms };
    if (now === undefined || before === undefined) return timed;
    const remote = {
      bytesOut: now.bytesOut - before.bytesOut,
      bytesIn: now.bytesIn - before.bytesIn,
      subrequests: now.subrequests - before.subrequests,
      segmentsPushed: now.segmentsPushed - before.segmentsPushed,
      segmentsFetched: now.segmentsFetched - before.segmentsFetched,
    };
    return { ...timed, remote };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }
}
