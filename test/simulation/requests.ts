// Bags to look up, and what the reference gives for them.
import type { Bags, KeyedBags } from '../../src/plan/bags.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import { expectedPooled, foundRows, type ModelTable } from '../30.plan/expected.ts';

/** Most keys of a bag that is drawn. */
const bagKeysMax = 60;

/** Keys of each bag of a large request. */
const largeBagKeys = 200;

export type Pooled = Exclude<ReturnType<typeof expectedPooled>, number>;

export interface SimulatedRequest {
  readonly bags: KeyedBags;
  /** The names of its tables. */
  readonly tables: ReadonlySet<string>;
  readonly features: ReadonlyMap<string, Feature>;
}

export interface Feature {
  readonly bags: Bags & { readonly table: string };
  /** The result for a table with these cuts (cutOf). */
  readonly expected: (cut: string) => Pooled;
}

export class Requests {
  readonly #dice: Dice;
  readonly #tables: readonly PlannedTable[];
  readonly #models: ReadonlyMap<string, ModelTable>;

  constructor(dice: Dice, tables: readonly PlannedTable[], models: ReadonlyMap<string, ModelTable>) {
    this.#dice = dice;
    this.#tables = tables;
    this.#models = models;
  }

  /** A request for some tables of a list. @param keysMax of one bag */
  draw(
    tables: readonly PlannedTable[] = this.#tables,
    keysMax = this.#dice.pick([2, 8, bagKeysMax]),
  ): SimulatedRequest {
    const features = Array.from({ length: this.#dice.between(1, 3) }, (_, i) => {
      return [`f${i}`, this.#feature(this.#dice.pick(tables), keysMax)] as const;
    });
    return requestOf(features);
  }

  /** A request for so many keys, in bags that any node takes. */
  large(keys: number): SimulatedRequest | undefined {
    // The results of a table that does not pool are as many as the keys, which may be too many for one reply.
    const pooled = this.#tables.filter(({ spec }) => spec.mode !== 'none');
    if (pooled.length === 0) return undefined;
    const table = this.#dice.pick(pooled);
    const lengths = Array.from({ length: Math.ceil(keys / largeBagKeys) }, () => largeBagKeys);
    const rows = Uint32Array.from({ length: lengths.length * largeBagKeys }, () =>
      this.#dice.between(0, table.spec.rows - 1),
    );
    return requestOf([['f0', this.#expect(table, rows, lengths)]]);
  }

  #feature(table: PlannedTable, keysMax: number): Feature {
    const { rows, missing } = table.spec;
    const lengths = Array.from({ length: this.#dice.between(1, 6) }, () => this.#dice.between(0, keysMax));
    const end = lengths.reduce((sum, length) => sum + length, 0);
    const beyond = missing === 'skip' ? Math.ceil(rows / 20) : 0;
    const keys = Uint32Array.from({ length: end }, () => this.#dice.between(0, rows - 1 + beyond));
    return this.#expect(table, keys, lengths);
  }

  /** So many bags without weights. */
  pooled(table: PlannedTable, bags: number): Feature {
    const { rows } = table.spec;
    const lengths = Array.from({ length: bags }, () => this.#dice.between(0, 6));
    const count = lengths.reduce((sum, length) => sum + length, 0);
    const keys = Uint32Array.from({ length: count }, () => this.#dice.between(0, rows - 1));
    return this.#expect(table, keys, lengths, false);
  }

  /** A request for one row. */
  ofRow(table: PlannedTable, row: number): SimulatedRequest {
    return requestOf([['f0', this.#expect(table, Uint32Array.of(row), [1])]]);
  }

  #expect(
    { spec: { name, rows, mode } }: PlannedTable,
    keys: Uint32Array,
    lengths: number[],
    mayBeWeighted = true,
  ): Feature {
    const isWeighted = mayBeWeighted && mode !== 'max' && mode !== 'none' && this.#dice.chance(0.3);
    const weights = isWeighted ? Float32Array.from(keys, () => this.#dice.between(-8, 8) / 4) : undefined;
    const offsets = [0];
    for (const length of lengths) offsets.push(offsets[offsets.length - 1] + length);
    const found = foundRows(keys, rows);
    const known = new Map<string, Pooled>();
    const expected = (cut: string): Pooled => {
      const model = this.#models.get(cut);
      const pooled = known.get(cut) ?? (model && expectedPooled(model, { found, offsets, weights }));
      if (pooled === undefined || typeof pooled === 'number') throw new RangeError('a key is refused');
      known.set(cut, pooled);
      return pooled;
    };
    return { bags: { keys, lengths, weights, table: name }, expected };
  }
}

function requestOf(features: readonly (readonly [string, Feature])[]): SimulatedRequest {
  return {
    bags: Object.fromEntries(features.map(([name, { bags }]) => [name, bags])),
    tables: new Set(features.map(([, { bags }]) => bags.table)),
    features: new Map(features),
  };
}

/** Where a result differs from what is expected, apart from what is incomplete. Undefined: nowhere. */
export function difference(expected: Pooled, found: Pooled): string | undefined {
  const { dim, counts, incomplete } = found;
  if (dim !== expected.dim || counts.length !== expected.counts.length) return 'its shape';
  const [wanted, bits] = [bitsOf(expected.values), bitsOf(found.values)];
  const lacking = new Set(incomplete);
  for (let result = 0; result < counts.length; result++) {
    if (lacking.size > 0 && lacking.has(result)) continue;
    if (counts[result] !== expected.counts[result]) return `the count of result ${result}`;
    for (let at = result * dim; at < (result + 1) * dim; at++)
      if (bits[at] !== wanted[at]) return `column ${at - result * dim} of result ${result}`;
  }
  const same = lacking.size > 0 || String(found.missing) === String(expected.missing);
  return same ? undefined : 'the list of missing keys';
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}
