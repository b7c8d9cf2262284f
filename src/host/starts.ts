import { availableParallelism } from 'node:os';

/**
 * Starts of threads: as many at a time as there are processors, so that none is late because of the others. Once one has failed, those
 * that wait are not begun.
 */
export class Starts {
  readonly #most = availableParallelism();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #failure: { readonly error: unknown } | undefined;

  async run<T>(start: () => Promise<T>): Promise<T> {
    if (this.#running < this.#most) this.#running++;
    else await new Promise<void>((begin) => this.#waiting.push(begin));
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      return await start();
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#running--;
    if (this.#running === 0) this.#failure = undefined;
  }
}
