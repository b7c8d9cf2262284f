// Reads the bags of a lookup as their caller gave them: finds the table of each feature, and the arrays to copy.
import { FlexemrError } from '../errors.ts';
import { COUNTS_LENGTHS, COUNTS_WIDE } from '../kernel/ask-layout.ts';
import { bagsMax, keysMax } from '../limits.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { checkBags, countKeys, inverseOf, keysOf, offsetsOf, weightsOf } from '../plan/checked-bags.ts';
import type { LookupTable } from './lookup-table.ts';

/** Arrays that can be copied to memory without a look at their elements. */
export type RawKeys = Uint32Array | BigUint64Array | BigInt64Array;
type RawCounts = RawKeys | Int32Array;

const none: Uint32Array = new Uint32Array();

/** Finds a table. @throws UNKNOWN_TABLE */
export type TableFinder = (name: string, feature: string) => LookupTable;

/** The names of the features of a lookup, in order. Lookups with the same features share one. */
export class FeatureNames {
  readonly list: readonly string[];
  readonly #places: ReadonlyMap<string, number>;

  constructor(names: readonly string[]) {
    this.list = names;
    this.#places = new Map(names.map((name, i) => [name, i]));
  }

  /** The place of a feature; undefined if there is none with this name. */
  place(name: string): number | undefined {
    return this.#places.get(name);
  }
}

/** The bags of one lookup at a time, as parallel arrays. It is reused, so that a lookup leaves no garbage. */
export class BagReader {
  count = 0;
  /** The tables of the last lookup. Lookups of the same tables share one list. */
  shape: readonly LookupTable[] = [];
  readonly tables: LookupTable[] = [];
  readonly keys: RawKeys[] = [];
  readonly offsets: RawCounts[] = [];
  /** COUNTS_*. */
  readonly counts: number[] = [];
  readonly bags: number[] = [];
  readonly weights: (Float32Array | undefined)[] = [];
  readonly inverses: (Uint32Array | undefined)[] = [];
  names: FeatureNames = new FeatureNames([]);
  readonly #names: string[] = [];
  /** How the last lookup found its tables, and the names that it asked for. */
  #tableOf: TableFinder | undefined;
  readonly #asked: (string | undefined)[] = [];
  #ids: Map<number, BigUint64Array | BigInt64Array> | undefined;

  /**
   * Reads all features. Offsets and keys of typed arrays are not looked at yet.
   * @throws UNKNOWN_TABLE, INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED
   */
  read(bags: KeyedBags, tableOf: TableFinder): void {
    let same = true;
    this.count = 0;
    this.#ids = undefined;
    try {
      for (const name in bags) {
        if (!Object.hasOwn(bags, name)) continue;
        same &&= this.names.list[this.count] === name;
        this.#names[this.count] = name;
        // Lookups with the same features find the same tables.
        this.#readFeature(name, bags[name], same && tableOf === this.#tableOf, tableOf);
        this.count++;
      }
    } catch (error) {
      this.#tableOf = undefined;
      // Arrays before this one may have a wrong element. The first error is reported.
      checkAll(bags, tableOf);
      throw error;
    }
    this.#tableOf = tableOf;
    this.#names.length = this.count;
    this.tables.length = this.count;
    if (this.shape.length !== this.count || this.shape.some((table, i) => table !== this.tables[i]))
      this.shape = [...this.tables];
    if (!same || this.names.list.length !== this.count) this.names = new FeatureNames([...this.#names]);
  }

  #readFeature(name: string, given: Bags, same: boolean, tableOf: TableFinder): void {
    const i = this.count;
    const asked = given?.table;
    const known = same && asked === this.#asked[i] && i < this.tables.length;
    const table = known ? this.tables[i] : tableOf(asked ?? name, name);
    this.#asked[i] = asked;
    // Most keys are of this kind, and need no other look.
    const plain = given?.keys instanceof Uint32Array && given.keys.length <= keysMax;
    const keyCount = plain ? given.keys.length : countKeys(name, given);
    const { offsets, lengths, includeLastOffset, weights, inverse } = given;
    const raw = rawCounts(offsets, lengths);
    const bags = raw === undefined ? -1 : raw.length - (includeLastOffset && offsets !== undefined ? 1 : 0);
    this.tables[i] = table;
    if (raw !== undefined && bags >= 0 && bags <= bagsMax) {
      const wide = raw.BYTES_PER_ELEMENT === 8 ? COUNTS_WIDE : 0;
      this.offsets[i] = raw;
      this.counts[i] = offsets === undefined ? wide | COUNTS_LENGTHS : wide;
      this.bags[i] = bags;
    } else {
      const checked = offsetsOf(name, given);
      this.offsets[i] = checked;
      this.counts[i] = 0;
      this.bags[i] = checked.length - 1;
    }
    this.keys[i] = plain && !table.takesIds ? given.keys : this.#keysOf(name, given, table);
    this.weights[i] = weights === undefined ? undefined : weightsOf(name, weights, keyCount);
    this.inverses[i] =
      inverse === undefined ? undefined : inverseOf(name, inverse, this.bags[i], table.spec.mode);
  }

  #keysOf(name: string, { keys }: Bags, table: LookupTable): RawKeys {
    const own = keysOf(name, keys, table.takesIds);
    if (table.resolve === undefined) return own;
    const ids = own as BigUint64Array | BigInt64Array;
    this.#ids ??= new Map();
    this.#ids.set(this.count, ids);
    return table.resolve(ids);
  }

  /** The ids, by feature, that became row numbers; undefined if there are none. */
  takeIds(): ReadonlyMap<number, BigUint64Array | BigInt64Array> | undefined {
    const ids = this.#ids;
    this.#ids = undefined;
    return ids;
  }

  /** Forgets the caller's arrays. */
  clear(): void {
    this.keys.fill(none);
    this.offsets.fill(none);
    this.weights.fill(undefined);
    this.inverses.fill(undefined);
  }
}

/** Checks every element of all bags, in order, and throws the first error. Slow; used if something is wrong. */
export function checkAll(bags: KeyedBags, tableOf: TableFinder): void {
  for (const name of Object.keys(bags)) {
    const given: Bags | undefined = bags[name];
    const { takesIds, spec } = tableOf(given?.table ?? name, name);
    checkBags(name, given as Bags, takesIds, spec.mode);
  }
}

/** Offsets or lengths that the kernel reads as they are. */
function rawCounts(offsets: Bags['offsets'], lengths: Bags['lengths']): RawCounts | undefined {
  const given = offsets ?? lengths;
  if (offsets !== undefined && lengths !== undefined) return undefined;
  if (given instanceof Uint32Array || given instanceof Int32Array) return given;
  return given instanceof BigUint64Array || given instanceof BigInt64Array ? given : undefined;
}

/** The error if memory was overwritten while it was in use. */
export function overwritten(): Error {
  return new RangeError('a kernel refused offsets that were already checked, so memory was overwritten');
}

/** The error of a lookup that needs more memory than it may use. */
export function outOfMemory(bytes: number, most: number, cause?: unknown): FlexemrError {
  const message = `this lookup needs ${bytes} bytes of memory, but at most ${most} are allowed; split the batch`;
  return new FlexemrError('OUT_OF_MEMORY', message, { field: 'bags', value: bytes, cause });
}
