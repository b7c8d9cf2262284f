/** Reads something, one read at a time, once for all who ask before the read begins. */
export class SharedRead<T> {
  readonly #readNow: () => Promise<T>;
  /** Ends with the last read that was asked for. */
  #ended: Promise<unknown> = Promise.resolve();
  /** The read that has not begun. */
  #next: Promise<T> | undefined;

  constructor(read: () => Promise<T>) {
    this.#readNow = read;
  }

  /** What a read finds that begins after the call. */
  read(): Promise<T> {
    this.#next ??= this.#afterwards();
    return this.#next;
  }

  #afterwards(): Promise<T> {
    const next = this.#ended.then(() => {
      this.#next = undefined;
      return this.#readNow();
    });
    this.#ended = next.catch(() => {});
    return next;
  }
}
