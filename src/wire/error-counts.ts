import type { ErrorCode } from '../errors.ts';

/** The number of errors of each code that has occurred. */
export type ErrorsByCode = Readonly<Partial<Record<ErrorCode, number>>>;

/** Counts errors by their code. */
export class ErrorCounts {
  readonly #counts = new Map<ErrorCode, number>();

  add(code: ErrorCode): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  get byCode(): ErrorsByCode {
    return Object.fromEntries(this.#counts);
  }
}
