import { leaseMs } from '../cluster-limits.ts';
import type { HeldLease } from './cluster-leases.ts';

/** Where a lease is written. */
export interface LeaseEntry {
  put(value: object): Promise<void>;
  delete(): Promise<void>;
}

/** Says again and again that somebody is there, and what he does. */
export class Lease implements HeldLease {
  readonly #entry: LeaseEntry;
  readonly #value: () => object | undefined;
  readonly #onError: (error: Error) => void;
  readonly #onClosed: () => void;
  /** Writes happen one after the other, so that an older value never replaces a newer one. */
  #writing: Promise<void> | undefined;
  #isStale = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failed = '';
  #closed: Promise<void> | undefined;

  /** @param value undefined: there is nothing to say yet @param onError hears the first error of a row */
  constructor(
    entry: LeaseEntry,
    value: () => object | undefined,
    onError: (error: Error) => void,
    onClosed: () => void,
  ) {
    this.#entry = entry;
    this.#value = value;
    this.#onError = onError;
    this.#onClosed = onClosed;
    this.write();
  }

  /** The value has changed: writes it as soon as possible. */
  write(): void {
    this.#isStale = true;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#isStale && this.#closed === undefined) {
      this.#isStale = false;
      const value = this.#value();
      if (value === undefined) continue;
      try {
        await this.#entry.put(value);
        this.#failed = '';
      } catch (error) {
        this.#fail(error as Error);
      }
    }
    if (this.#closed !== undefined) return;
    // Many leases that began at the same moment are not renewed at the same moment.
    this.#timer = setTimeout(() => this.write(), (leaseMs / 3) * (0.8 + Math.random() * 0.2));
  }

  #fail(error: Error): void {
    if (this.#closed !== undefined || error.message === this.#failed) return;
    this.#failed = error.message;
    this.#onError(error);
  }

  /** Ends the lease. If its store is away, it ends by itself. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#entry.delete().catch(() => {});
    this.#onClosed();
  }
}
