import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { asked } from './failure.ts';
import { Handle } from './handle.ts';

/** u64 ids and the u32 that each stands for; 2^32 − 1 stands for none. Until it is disposed of. */
export class KeyIndex implements Disposable {
  readonly #handle: Handle<Pooling.KeyIndex>;

  constructor(index: Pooling.KeyIndex, release: () => void) {
    this.#handle = new Handle(index, release);
  }

  /** Sets what ids stand for, adding new ones. @throws LIMIT_EXCEEDED: it is full; INVALID_TABLE; RELEASED */
  insert(ids: BigUint64Array, slots: Uint32Array): void {
    const { resource } = this.#handle;
    asked(() => resource.insert(ids, slots));
  }

  /** @throws RELEASED */
  find(ids: BigUint64Array): Uint32Array {
    const { resource } = this.#handle;
    return asked(() => resource.find(ids));
  }

  /** @returns what they stood for @throws RELEASED */
  remove(ids: BigUint64Array): Uint32Array {
    const { resource } = this.#handle;
    return asked(() => resource.remove(ids));
  }

  /** Ids held. @throws RELEASED */
  get size(): number {
    return this.#handle.resource.count();
  }

  [Symbol.dispose](): void {
    this.#handle.dispose();
  }
}
