import { clusterCheckMsMax, clusterCheckMsMin, clusterSpreadMs } from '../cluster-limits.ts';
import type { Cluster } from './cluster.ts';

/** A cluster as text, and its revision. */
export interface ReadText {
  readonly text: string;
  readonly revision: string;
}

/** What is watched. */
export interface Watched {
  read(): Promise<ReadText>;
  /** Cheaper than `read`. Differs if there is something new. */
  state(): Promise<string>;
  parse(text: string): Cluster;
}

/**
 * After a ring, reads until it finds something new, because it rings when somebody writes, and the server may not have
 * written yet.
 */
const afterRingMs = [0, 100, 400, 1_600];

/** Reads a cluster whenever it rings, and asks for its state now and then, so that a ring may be lost. */
export class ClusterWatch {
  readonly #watched: Watched;
  readonly #onChange: (cluster: Cluster) => void;
  readonly #onError: (error: Error) => void;
  /** The text in use, and the one that was read last, which may be invalid. */
  #text: string | undefined;
  #seen: string | undefined;
  #state: string | undefined;
  /** The message of the last error, if it cannot be read. */
  #failed = '';
  /** Waits before the next reads. */
  #reads: number[] = [];
  #isLooking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(
    watched: Watched,
    text: string | undefined,
    onChange: (cluster: Cluster) => void,
    onError: (error: Error) => void,
  ) {
    this.#watched = watched;
    this.#text = text;
    this.#seen = text;
    this.#onChange = onChange;
    this.#onError = onError;
    // It may have changed between the last read and now.
    this.#reads = [0];
    this.#wait();
  }

  /** There may be something new. */
  ring(): void {
    this.#reads = [...afterRingMs];
    this.#wait();
  }

  #wait(): void {
    if (this.#isClosed || this.#isLooking) return;
    const [next] = this.#reads;
    const spread = next === undefined ? clusterCheckMsMax - clusterCheckMsMin : clusterSpreadMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), (next ?? clusterCheckMsMin) + Math.random() * spread);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const rung = this.#reads.shift() !== undefined;
    try {
      const state = rung ? undefined : await this.#watched.state();
      if (rung || state !== this.#state) this.#take(await this.#watched.read());
      this.#state = state;
      this.#failed = '';
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#isLooking = false;
    this.#wait();
  }

  #take({ text }: ReadText): void {
    if (this.#isClosed || text === this.#seen) return;
    this.#seen = text;
    this.#reads = [];
    if (text === this.#text) return;
    let cluster: Cluster;
    try {
      cluster = this.#watched.parse(text);
    } catch (error) {
      // It is told once, because it is not parsed again.
      this.#onError(error as Error);
      return;
    }
    this.#text = text;
    this.#onChange(cluster);
  }

  /** The same error is not told twice in a row. */
  #fail(error: Error): void {
    if (this.#isClosed || error.message === this.#failed) return;
    this.#failed = error.message;
    this.#onError(error);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}
