// What the service needs of a scorer.
import type { ModelSignature } from '../model/model.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TraceContext } from '../wire/trace.ts';

/** The candidates to score. */
export interface ScoreRequest {
  /** Bags by feature. A feature with one result stands for all candidates. */
  readonly bags: KeyedBags;
  /** f32 [candidates, width] by name. An input of one row stands for all candidates. */
  readonly dense: Readonly<Record<string, Float32Array>>;
}

/** The arrays belong to the caller. */
export interface Scores {
  readonly candidates: number;
  /** By name: f32 [candidates], or f32 [candidates, width]. */
  readonly outputs: Readonly<Record<string, Float32Array>>;
  /** The candidates with the highest score, if they were asked for: best first, ties by index. */
  readonly top: Uint32Array | undefined;
}

export interface ScoreOptions {
  /** Milliseconds from now. */
  readonly deadline?: number | undefined;
  /** Ends the request, for example because its client has gone. */
  readonly signal?: AbortSignal | undefined;
  /** How many candidates `top` has at most. */
  readonly topK?: number | undefined;
  /** The trace that the request belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** Scores the candidates of requests. */
export interface Scoring {
  readonly signature: ModelSignature;
  /** @throws FlexemrError. Its field is a feature, or an array of its bags as in `genres.keys`, or a dense input */
  score(request: ScoreRequest, options?: ScoreOptions): Promise<Scores>;
}
