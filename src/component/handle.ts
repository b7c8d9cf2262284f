import { FlexemrError } from '../errors.ts';

/** Not every edge runtime has it: there, what is not disposed of is not given back. */
const collected =
  typeof FinalizationRegistry === 'undefined'
    ? undefined
    : new FinalizationRegistry<() => void>((dispose) => dispose());

/** Something that lives in the component's memory until it is disposed of, or collected. */
export class Handle<T extends object> {
  #resource: T | undefined;
  #dispose: () => void;

  /** @param giveBack called once the resource is gone */
  constructor(resource: T, giveBack: () => void) {
    this.#resource = resource;
    this.#dispose = () => {
      // jco's types leave it out.
      (resource as Partial<Disposable>)[Symbol.dispose]?.();
      giveBack();
    };
    collected?.register(this, this.#dispose, this);
  }

  /** @throws RELEASED */
  get resource(): T {
    if (this.#resource !== undefined) return this.#resource;
    throw new FlexemrError('RELEASED', 'this was disposed of: make another', { field: 'handle' });
  }

  dispose(): void {
    if (this.#resource === undefined) return;
    this.#resource = undefined;
    collected?.unregister(this);
    this.#dispose();
  }
}
