import type { Kernels } from '../src/kernel/kernels.ts';
import type { Arena } from './arena.ts';
import type { Bars } from './bars.ts';
import type { Side } from './measure.ts';

/** The context in which a case is prepared. */
export interface Bench {
  readonly arena: Arena;
  readonly kernels: Kernels;
  readonly bars: Bars | undefined;
  /** Address of FLOATS_BYTES / shrink bytes of f32 values, which are a table of any dim. */
  readonly floats: number;
  /** Minimum duration of one sample. */
  readonly sampleMs: number;
  /** Tables and indexes are smaller by this factor. It is 1, or more for a smoke run. */
  readonly shrink: number;
}

/** Two sides that do the same work. */
export interface Contest {
  readonly ours: Side;
  /** Undefined if it is not available on this machine. */
  readonly bar: Side | undefined;
  /** Text for the note column: why there is no bar, or its version. */
  readonly remark?: string;
  /** Runs both once. @returns the place where their results differ; undefined if they are equal */
  check?(): string | undefined;
  close?(): void | Promise<void>;
}

export interface Case {
  readonly name: string;
  /** The side that ours is compared with. */
  readonly bar: string;
  /** The items that are counted per second. */
  readonly unit: 'rows' | 'keys';
  /** The ratio that we want to reach. */
  readonly aim?: number;
  /** Below this ratio something is wrong. */
  readonly floor?: number;
  readonly note?: string;
  prepare(bench: Bench): Contest | Promise<Contest>;
}
