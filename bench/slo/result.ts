import type { Environment } from '../environment.ts';

/** What was measured at one rate. */
export interface Probe {
  readonly rate: number;
  /** The share of requests that were answered in time. */
  readonly inTime: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** µs of CPU for each request: the service, and the processes that hold its rows. */
  readonly serviceUs: number;
  readonly storeUs: number;
  readonly senderUs: number;
}

/** The highest rates that a service kept. */
export interface Kept {
  readonly name: string;
  /** Of each round; 0: none. */
  readonly rounds: readonly number[];
  /** Their median. */
  readonly perSecond: number;
  /** What was measured at the highest of them. */
  readonly best: Probe | undefined;
}

/** What became of the same load in several services. */
export interface LoadOutcome {
  /** Requests per second, and how that compares with what the first service can keep. */
  readonly rate: number;
  readonly share: number;
  /** Medians of all rounds. */
  readonly services: readonly {
    readonly name: string;
    readonly inTime: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
}

export interface ModelResult {
  readonly model: string;
  readonly description: string;
  readonly sloMs: number;
  readonly kept: readonly Kept[];
  readonly loads: readonly LoadOutcome[];
}

/** The file that `--json` writes. */
export interface SloFile {
  readonly benchmark: 'slo';
  readonly environment: Environment;
  readonly quick: boolean;
  /** Measurements that count although other programs were busy. */
  readonly disturbed: number;
  readonly absent: readonly string[];
  readonly models: readonly ModelResult[];
}
