import { instantiate } from '../../wasm/component/flexemr.js';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { FlexemrError } from '../errors.ts';
import type { CoreModules } from '../modules/core-modules.ts';
import { failureOf, type Given } from './failure.ts';

/** What a caller can do if there is no memory for a table, an index or a call. */
const remedies = {
  table: 'dispose of other tables, quantise it, split it into shards, or leave it on a memory node',
  index: 'dispose of other indexes, or split the ids into several indexes',
  call: 'split it into smaller calls, or dispose of tables',
} as const;

/** The exports of the component, and the accounting of its memory. */
export class Core {
  readonly pooling: typeof Pooling;
  readonly #bytesMax: number;
  #bytes = 0;
  /** The error after which the component cannot be used any more. */
  #ended: FlexemrError | undefined;

  /** @param bytesMax most bytes of all tables and indexes, plus the arguments and results of a call */
  constructor(modules: CoreModules, bytesMax: number) {
    this.pooling = instantiate((name) => modules[name as keyof CoreModules], {}).pooling;
    this.#bytesMax = bytesMax;
  }

  /** Calls the component. @param bytes that the call takes @throws OUT_OF_MEMORY, and the errors of `failureOf` */
  ask<T>(bytes: number, work: () => T, given: Given = {}): T {
    this.#take(bytes, 'call');
    try {
      return work();
    } catch (error) {
      throw this.#failed(error, given);
    } finally {
      this.#bytes -= bytes;
    }
  }

  /** Calls the component for something that it keeps. @returns it, and a function that frees it @throws as `ask` */
  keep<T>(bytes: number, what: 'table' | 'index', work: () => T): readonly [kept: T, giveBack: () => void] {
    this.#take(bytes, what);
    try {
      const kept = work();
      return [
        kept,
        () => {
          this.#bytes -= bytes;
        },
      ];
    } catch (error) {
      this.#bytes -= bytes;
      throw this.#failed(error, {});
    }
  }

  #failed(error: unknown, given: Given): FlexemrError {
    const failure = failureOf(error, given);
    // A trap leaves work unfinished, so the component must not be used again.
    if (error instanceof WebAssembly.RuntimeError) this.#ended = failure;
    return failure;
  }

  #take(bytes: number, what: keyof typeof remedies): void {
    if (this.#ended) throw this.#ended;
    const left = this.#bytesMax - this.#bytes;
    if (bytes > left) {
      const problem = `${what}: it needs ${bytes} bytes, but only ${left} are left of memoryBytes = ${this.#bytesMax}`;
      throw new FlexemrError('OUT_OF_MEMORY', `${problem}; ${remedies[what]}`, { field: what, value: bytes });
    }
    this.#bytes += bytes;
  }
}
