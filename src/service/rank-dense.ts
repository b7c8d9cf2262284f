import { show } from '../errors.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import { copyTo, pathOf, wrongValue } from './rank-path.ts';

/** The rows of a dense input of a call. */
export class DenseColumn {
  readonly name: string;
  readonly #width: number;
  readonly #values: number[] = [];

  constructor(name: string, width: number) {
    this.name = name;
    this.#width = width;
  }

  /** Adds a row: an array, or a number if it has only one. @throws INVALID_BAGS */
  async add(source: number, value: unknown, slices: Slices): Promise<void> {
    const field = pathOf(source, this.name);
    const row: unknown = this.#width === 1 && !Array.isArray(value) ? [value] : value;
    if (!Array.isArray(row) || row.length !== this.#width) {
      const found = Array.isArray(row) ? row.length : show(row);
      throw wrongValue({ field }, `expected an array of ${this.#width} numbers, not ${found}`);
    }
    for (const [position, number] of row.entries()) {
      if (position % elementsAtOnce === 0) await slices.pause();
      if (typeof number !== 'number' || !Number.isFinite(Math.fround(number)))
        throw wrongValue({ field, position }, `${show(number)} is not a number of 32 bits`);
      this.#values.push(number);
    }
  }

  async join(slices: Slices): Promise<Float32Array> {
    return await copyTo(new Float32Array(this.#values.length), this.#values, Number, slices);
  }
}
