import type { ModelSignature } from '../model/model.ts';
import type { ScoreRequest } from '../scorer/score-request.ts';
import type { Scores } from '../scorer/score-task.ts';
import type { ScoreOptions } from '../scorer/scorer.ts';

/** What a service needs of a scorer. `Scorer` implements it. */
export interface Scoring {
  readonly signature: ModelSignature;
  /** @throws FlexemrError. Its field is a feature, or an array of its bags as in `genres.keys`, or a dense input */
  score(request: ScoreRequest, options?: ScoreOptions): Promise<Scores>;
}
