import type { Environment } from '../environment.ts';
import type { Outcome } from './race.ts';

/** The figures of a contender. Items are samples, calls are lookups of `batch` samples. */
export interface ServingResult extends Outcome {
  readonly workload: string;
  /** How keys are drawn. */
  readonly keys: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly ours: boolean;
}

/** The figures of a transport. Items and calls are exchanges. */
export interface BareResult extends Outcome {
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly inFlight: number;
  readonly ours: boolean;
}

/** The file that `--json` writes. */
export interface ServingFile {
  readonly benchmark: 'serving';
  readonly environment: Environment;
  readonly quick: boolean;
  /** The reasons why peers are not measured. */
  readonly absent: readonly string[];
  readonly workloads: readonly string[];
  readonly results: readonly ServingResult[];
  readonly bare: readonly BareResult[];
  readonly candidates: readonly Outcome[];
}
