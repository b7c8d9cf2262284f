import { FlexemrError } from '../errors.ts';
import type { ScoreTask } from './score-task.ts';

/** Requests that wait, in order of arrival. Their candidates are bounded. */
export class TaskQueue {
  readonly #candidatesMax: number;
  readonly #tasks: ScoreTask[] = [];
  #candidates = 0;

  constructor(candidatesMax: number) {
    this.#candidatesMax = candidatesMax;
  }

  /** Number of requests, and of their candidates. */
  get length(): number {
    return this.#tasks.length;
  }

  get candidates(): number {
    return this.#candidates;
  }

  /** Candidates of the oldest request; 0 if none waits. */
  get next(): number {
    return this.#tasks[0]?.request.candidates ?? 0;
  }

  /** When the oldest request arrived; undefined if none waits. */
  get oldest(): number | undefined {
    return this.#tasks[0]?.queuedAt;
  }

  /** The error for a request that does not fit into the queue. */
  refusal(candidates: number): FlexemrError | undefined {
    if (this.#candidates + candidates <= this.#candidatesMax) return undefined;
    const message = `the queue has ${this.#candidates} candidates of at most ${this.#candidatesMax}, so ${candidates} more do not fit; try again`;
    return new FlexemrError('OVERLOADED', message, { field: 'queue', value: this.#candidates });
  }

  push(task: ScoreTask): void {
    this.#tasks.push(task);
    this.#candidates += task.request.candidates;
  }

  /** Removes a request that has ended, if it is here. */
  remove(task: ScoreTask): void {
    const at = this.#tasks.indexOf(task);
    if (at < 0) return;
    this.#tasks.splice(at, 1);
    this.#candidates -= task.request.candidates;
  }

  /** Takes the oldest requests that can be looked up together, and that have at most so many candidates; at least one. */
  take(candidatesMax: number): ScoreTask[] {
    const [first] = this.#tasks;
    let [count, candidates] = [0, 0];
    for (const { request } of this.#tasks) {
      const fits = count === 0 || candidates + request.candidates <= candidatesMax;
      if (!fits || request.weighted !== first.request.weighted) break;
      count++;
      candidates += request.candidates;
    }
    this.#candidates -= candidates;
    return this.#tasks.splice(0, count);
  }

  /** Takes all requests. */
  clear(): ScoreTask[] {
    this.#candidates = 0;
    return this.#tasks.splice(0);
  }
}
