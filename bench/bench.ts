import type { Kernels } from '../src/kernel/kernels.ts';
import type { Arena } from './arena.ts';
import type { Bars } from './bars.ts';
import type { Side } from './measure.ts';

/** What a case is prepared with. */
export interface Bench {
  readonly arena: Arena;
  readonly kernels: Kernels;
  readonly bars: Bars | undefined;
  /** Address of f32 values, FLOATS_BYTES / shrink of them: a table of any dim. */
  readonly floats: number;
  /** Shortest sample. */
  readonly sampleMs: number;
  /** Tables and indexes are this many times smaller: 1, or more for a smoke run. */
  readonly shrink: number;
}

/** Two sides that do the same work. */
export interface Contest {
  readonly ours: Side;
  /** Undefined where this machine lacks it. */
  readonly bar: Side | undefined;
  /** For the note column: why there is no bar, or which version it is. */
  readonly remark?: string;
  /** Runs both once. @returns where their results differ, if they do */
  check?(): string | undefined;
  close?(): void | Promise<void>;
}

export interface Case {
  readonly name: string;
  /** Whom we are measured against. */
  readonly bar: string;
  /** What is counted per second. */
  readonly unit: 'rows' | 'keys';
  /** The ratio hoped for, and the one below which something is wrong. */
  readonly aim?: number;
  readonly floor?: number;
  readonly note?: string;
  prepare(bench: Bench): Contest | Promise<Contest>;
}
