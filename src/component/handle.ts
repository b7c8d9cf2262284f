import { FlexemrError } from '../errors.ts';

/** Something that lives in the component's memory until it is disposed of. */
export class Handle<T extends object> {
  readonly #release: () => void;
  #resource: T | undefined;

  constructor(resource: T, release: () => void) {
    this.#resource = resource;
    this.#release = release;
  }

  /** @throws RELEASED */
  get resource(): T {
    if (this.#resource !== undefined) return this.#resource;
    throw new FlexemrError('RELEASED', 'this was disposed of: make another', { field: 'handle' });
  }

  dispose(): void {
    // jco's types leave it out.
    (this.#resource as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
    this.#resource = undefined;
    this.#release();
  }
}
