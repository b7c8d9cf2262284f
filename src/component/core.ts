import { instantiate } from '../../wasm/component/flexemr.js';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { FlexemrError } from '../errors.ts';
import type { CoreModules } from '../modules/core-modules.ts';
import { failureOf, type Given } from './failure.ts';

/** What there is no room for, and what its caller can do. */
const remedies = {
  table: 'dispose of others, quantise it, cut it into shards, or leave it on a memory node',
  index: 'dispose of others, or cut the ids into several',
  call: 'ask for less at a time, or dispose of tables',
} as const;

/** What the component exports, and the memory there is for it. */
export class Core {
  readonly pooling: typeof Pooling;
  readonly #bytesMax: number;
  #bytes = 0;
  /** Why it is asked for nothing any more. */
  #ended: FlexemrError | undefined;

  /** @param bytesMax of tables and indexes, and of what goes in and out of a call */
  constructor(modules: CoreModules, bytesMax: number) {
    this.pooling = instantiate((name) => modules[name as keyof CoreModules], {}).pooling;
    this.#bytesMax = bytesMax;
  }

  /** Asks the component for something. @param bytes that it takes meanwhile @throws OUT_OF_MEMORY, and what `failureOf` makes of it */
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

  /** Asks the component for something that stays. @returns it, and what gives its bytes back @throws as `ask` */
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
    // Who has trapped left its work undone.
    if (error instanceof WebAssembly.RuntimeError) this.#ended = failure;
    return failure;
  }

  #take(bytes: number, what: keyof typeof remedies): void {
    if (this.#ended) throw this.#ended;
    const left = this.#bytesMax - this.#bytes;
    if (bytes > left) {
      const problem = `${what}: its ${bytes} bytes do not fit the ${left} that are left of memoryBytes = ${this.#bytesMax}`;
      throw new FlexemrError('OUT_OF_MEMORY', `${problem}; ${remedies[what]}`, { field: what, value: bytes });
    }
    this.#bytes += bytes;
  }
}
