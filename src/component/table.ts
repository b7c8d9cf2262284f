import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { type Bags, type Pooled, type PoolOptions, withDefaults } from './bags.ts';
import { asked } from './failure.ts';
import { Handle } from './handle.ts';

/** Rows in the component's memory, until they are disposed of. */
export class Table implements Disposable {
  readonly #handle: Handle<Pooling.Table>;

  constructor(table: Pooling.Table, release: () => void) {
    this.#handle = new Handle(table, release);
  }

  /** @throws INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED, OUT_OF_MEMORY; RELEASED */
  pool(bags: Bags, options: PoolOptions): Pooled {
    const { resource } = this.#handle;
    return asked(() => resource.pool(bags as Pooling.Bags, withDefaults(options)));
  }

  /** One row a key: f32 [keys, dim]. @throws INVALID_KEY, LIMIT_EXCEEDED, OUT_OF_MEMORY; RELEASED */
  gather(keys: Uint32Array): Float32Array {
    const { resource } = this.#handle;
    return asked(() => resource.gather(keys));
  }

  [Symbol.dispose](): void {
    this.#handle.dispose();
  }
}
