/** What `setTimeout` and `setInterval` return in a simulation: the part of `NodeJS.Timeout` that programs use. */
export class SimulatedTimer implements Disposable {
  readonly #clear: () => void;

  constructor(clear: () => void) {
    this.#clear = clear;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  clear(): void {
    this.#clear();
  }

  [Symbol.dispose](): void {
    this.#clear();
  }
}
