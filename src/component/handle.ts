import { FlexemrError } from '../errors.ts';

/** Not every edge runtime has FinalizationRegistry. Without it, memory is freed only by `dispose`. */
const collected =
  typeof FinalizationRegistry === 'undefined'
    ? undefined
    : new FinalizationRegistry<() => void>((dispose) => dispose());

/** A resource that stays in the component's memory until it is disposed of or garbage-collected. */
export class Handle<T extends object> {
  #resource: T | undefined;
  #dispose: () => void;

  /** @param giveBack called after the resource was freed */
  constructor(resource: T, giveBack: () => void) {
    this.#resource = resource;
    this.#dispose = () => {
      // The types that jco generates do not declare this method.
      (resource as Partial<Disposable>)[Symbol.dispose]?.();
      giveBack();
    };
    collected?.register(this, this.#dispose, this);
  }

  /** @throws RELEASED */
  get resource(): T {
    if (this.#resource !== undefined) return this.#resource;
    throw new FlexemrError('RELEASED', 'this object was disposed of: make a new one', { field: 'handle' });
  }

  dispose(): void {
    if (this.#resource === undefined) return;
    this.#resource = undefined;
    collected?.unregister(this);
    this.#dispose();
  }
}
