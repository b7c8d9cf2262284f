import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { type Bags, checkedBags, checkedOptions, type Pooled, type PoolOptions, poolBytes } from './bags.ts';
import type { Core } from './core.ts';
import { expectArray } from './expect.ts';
import { Handle } from './handle.ts';

/** Rows in the component's memory, until they are disposed of. */
export class Table implements Disposable {
  readonly #core: Core;
  readonly #handle: Handle<Pooling.Table>;
  readonly #dim: number;

  constructor(core: Core, table: Pooling.Table, dim: number, giveBack: () => void) {
    this.#core = core;
    this.#handle = new Handle(table, giveBack);
    this.#dim = dim;
  }

  /** @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION, OUT_OF_MEMORY; RELEASED */
  pool(bags: Bags, options: PoolOptions): Pooled {
    const { resource } = this.#handle;
    const [checked, withDefaults] = [checkedBags(bags), checkedOptions(options)];
    return this.#core.ask(poolBytes(checked, this.#dim), () => resource.pool(checked, withDefaults), checked);
  }

  /** One row per key: f32 [keys, dim]. @throws INVALID_BAGS, INVALID_KEY, OUT_OF_MEMORY; RELEASED */
  gather(keys: Uint32Array): Float32Array {
    const { resource } = this.#handle;
    expectArray(keys, 'Uint32Array', 'keys', 'INVALID_BAGS');
    // Per key: the key, its row, its count and its outcome.
    const bytes = keys.length * (this.#dim * 4 + 9);
    return this.#core.ask(bytes, () => resource.gather(keys), { keys });
  }

  [Symbol.dispose](): void {
    this.#handle.dispose();
  }
}
