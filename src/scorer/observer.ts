import type { Ending } from './score-task.ts';

/** Hears what a scorer does, for metrics. */
export interface ScorerObserver {
  /** A request has ended. */
  ended(ending: Ending): void;
  /** A request has left the queue after this time. */
  waited(ms: number): void;
  /** A batch was scored. */
  batch(candidates: number): void;
  /** The lookup of a batch, or a network by its name, has taken this time. */
  stage(name: string, ms: number): void;
}
