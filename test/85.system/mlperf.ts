// The tables of MLPerf's DLRM-DCNv2: 26 tables of dim 128, 214 lookups per sample. Large tables are shortened.
import type { KeyedBags } from '../../src/index.ts';
import { below, type Random, random } from '../../src/simulation/random.ts';
import type { GivenTable } from '../tables-file.ts';

export const dim = 128;

/** The published numbers of rows: 104.5 GB of f32. */
const rowsPublished = [
  40000000, 39060, 17295, 7424, 20265, 3, 7122, 1543, 63, 40000000, 3067956, 405282, 10, 2209, 11938, 155, 4,
  976, 14, 40000000, 40000000, 40000000, 590152, 12973, 108, 36,
];

/** The number of keys of each table in every sample. */
export const lookups = [3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1];

/** Tables have at most this many rows here. */
export const rowsMax = 20_000;

export function describeShape(): string {
  const cut = rowsPublished.filter((rows) => rows > rowsMax).length;
  return `DLRM-DCNv2: ${lookups.length} tables of dim ${dim}, ${sum(lookups)} lookups a sample; the ${cut} largest CUT to ${rowsMax} rows, of which no lookup draws one twice`;
}

const nameOf = (i: number): string => `t${i}`;

/** All tables, with arbitrary rows. */
export function mlperfTables(): GivenTable[] {
  return rowsPublished.map((published, i) => {
    const rows = Math.min(published, rowsMax);
    const next = random(i + 1);
    const values = new Float32Array(rows * dim).map(() => (next() - 2 ** 31) / 2 ** 31);
    return { spec: { name: nameOf(i), rows, dim, mode: 'sum' }, rows: values };
  });
}

/**
 * Draws the bags of lookups. Keys repeat as rarely as in the published tables: in a shortened table, all keys of a
 * lookup are different.
 */
export class MlperfBags {
  readonly #random: Random;
  readonly #decks = rowsPublished.map((rows) => (rows > rowsMax ? new Deck() : undefined));

  constructor(seed: number) {
    this.#random = random(seed);
  }

  draw(samples: number): KeyedBags {
    const bags = lookups.map((length, i) => {
      const keys = new Uint32Array(samples * length);
      const deck = this.#decks[i]?.shuffled();
      for (let k = 0; k < keys.length; k++)
        keys[k] = deck?.draw(this.#random) ?? below(this.#random, rowsPublished[i]);
      return [nameOf(i), { keys, lengths: new Uint32Array(samples).fill(length) }] as const;
    });
    return Object.fromEntries(bags);
  }
}

/** Draws each row number once, in random order. */
class Deck {
  readonly #rows = Uint32Array.from({ length: rowsMax }, (_, row) => row);
  #drawn = 0;

  /** Starts again with all row numbers, whose current order does not matter. */
  shuffled(): this {
    this.#drawn = 0;
    return this;
  }

  draw(next: Random): number {
    const at = this.#drawn + below(next, rowsMax - this.#drawn);
    const row = this.#rows[at];
    this.#rows[at] = this.#rows[this.#drawn];
    this.#rows[this.#drawn++] = row;
    return row;
  }
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
