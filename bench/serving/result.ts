import type { Environment } from '../environment.ts';
import type { Outcome } from './race.ts';

/** A contender's figures; items are samples, calls are lookups of `batch` samples. */
export interface ServingResult extends Outcome {
  readonly workload: string;
  /** How keys are drawn. */
  readonly keys: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly ours: boolean;
}

/** A transport's figures; items and calls are exchanges. */
export interface BareResult extends Outcome {
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly inFlight: number;
  readonly ours: boolean;
}

/** What `--json` keeps. */
export interface ServingFile {
  readonly benchmark: 'serving';
  readonly environment: Environment;
  readonly quick: boolean;
  /** Peers that this machine lacks. */
  readonly absent: readonly string[];
  readonly workloads: readonly string[];
  readonly results: readonly ServingResult[];
  readonly bare: readonly BareResult[];
}
