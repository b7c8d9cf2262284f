import type { Tracer } from '../wire/trace.ts';
import type { RowsGate } from './rows-gate.ts';

export interface MemoryNodeTuning {
  /**
   * Bytes of rows that one slice of pooling reads. Short subrequests are answered between the slices of large ones, so
   * they wait less if slices are smaller. Default: 256 KiB, about 50 µs. Infinity: no slices.
   */
  readonly sliceBytes?: number | undefined;
}

/** What a worker thread adds to it, because it cannot be passed to another thread. */
export interface TracedTuning extends MemoryNodeTuning {
  /** Records a span for each request that carries a trace context. Default: none. */
  readonly tracer?: Tracer | undefined;
  /** Passed around each read of rows. Undefined: rows do not change. */
  readonly gate?: RowsGate | undefined;
}
