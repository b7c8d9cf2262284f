import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { FlexemrError } from '../errors.ts';
import type { Core } from './core.ts';
import { expectArray } from './expect.ts';
import { Handle } from './handle.ts';

/** An id and its slot, and the memory to check beforehand whether all ids fit. */
const insertBytesPerId = 40;
/** An id and its slot. */
const findBytesPerId = 12;

/** Maps u64 ids to u32 slots, until it is disposed of. The slot 2^32 − 1 means "none". */
export class KeyIndex implements Disposable {
  readonly #core: Core;
  readonly #handle: Handle<Pooling.KeyIndex>;

  constructor(core: Core, index: Pooling.KeyIndex, giveBack: () => void) {
    this.#core = core;
    this.#handle = new Handle(index, giveBack);
  }

  /** Sets the slots of ids and adds new ids: all or none. @throws LIMIT_EXCEEDED if full; INVALID_OPTION; RELEASED */
  insert(ids: BigUint64Array, slots: Uint32Array): void {
    const { resource } = this.#handle;
    expectArray(ids, 'BigUint64Array', 'ids');
    expectArray(slots, 'Uint32Array', 'slots');
    if (ids.length !== slots.length) {
      const message = `slots: there are ${slots.length} slots for ${ids.length} ids; give one slot per id`;
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

  /** @returns the slots that the ids had @throws INVALID_OPTION, RELEASED */
  remove(ids: BigUint64Array): Uint32Array {
    const { resource } = this.#handle;
    expectArray(ids, 'BigUint64Array', 'ids');
    return this.#core.ask(ids.length * findBytesPerId, () => resource.remove(ids));
  }

  /** Number of ids. @throws RELEASED */
  get size(): number {
    const { resource } = this.#handle;
    return this.#core.ask(0, () => resource.count());
  }

  [Symbol.dispose](): void {
    this.#handle.dispose();
  }
}
