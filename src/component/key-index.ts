import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { FlexemrError } from '../errors.ts';
import type { Core } from './core.ts';
import { expectArray } from './expect.ts';
import { Handle } from './handle.ts';

/** Ids and slots, and what it takes to see beforehand whether there is room for them. */
const insertBytesPerId = 40;
/** An id and its slot. */
const findBytesPerId = 12;

/** u64 ids and the u32 that each stands for; 2^32 − 1 stands for none. Until it is disposed of. */
export class KeyIndex implements Disposable {
  readonly #core: Core;
  readonly #handle: Handle<Pooling.KeyIndex>;

  constructor(core: Core, index: Pooling.KeyIndex, giveBack: () => void) {
    this.#core = core;
    this.#handle = new Handle(index, giveBack);
  }

  /** Sets what ids stand for, adding new ones: all of them or none. @throws LIMIT_EXCEEDED: it is full; INVALID_OPTION; RELEASED */
  insert(ids: BigUint64Array, slots: Uint32Array): void {
    const { resource } = this.#handle;
    expectArray(ids, 'BigUint64Array', 'ids');
    expectArray(slots, 'Uint32Array', 'slots');
    if (ids.length !== slots.length) {
      const message = `slots: there are ${slots.length} for ${ids.length} ids`;
      throw new FlexemrError('INVALID_OPTION', message, { field: 'slots', value: slots.length });
    }
    this.#core.ask(ids.length * insertBytesPerId, () => resource.insert(ids, slots), { slots });
  }

  /** @throws INVALID_OPTION, RELEASED */
  find(ids: BigUint64Array): Uint32Array {
    const { resource } = this.#handle;
    expectArray(ids, 'BigUint64Array', 'ids');
    return this.#core.ask(ids.length * findBytesPerId, () => resource.find(ids));
  }

  /** @returns what they stood for @throws INVALID_OPTION, RELEASED */
  remove(ids: BigUint64Array): Uint32Array {
    const { resource } = this.#handle;
    expectArray(ids, 'BigUint64Array', 'ids');
    return this.#core.ask(ids.length * findBytesPerId, () => resource.remove(ids));
  }

  /** Ids held. @throws RELEASED */
  get size(): number {
    const { resource } = this.#handle;
    return this.#core.ask(0, () => resource.count());
  }

  [Symbol.dispose](): void {
    this.#handle.dispose();
  }
}
