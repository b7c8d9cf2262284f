import { type FlexemrError, show } from '../errors.ts';
import { u32Max } from '../limits.ts';
import type { Bags } from '../plan/bags.ts';
import { idOf, noId } from '../plan/json-key.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import type { Place } from './failure.ts';
import { copyTo, pathOf, wrongValue } from './rank-path.ts';

const forms = 'a key, an array of keys, or { keys, weights }';

/** Where a bag is in the call, and whether its keys are given as a key, as an array, or in an object with weights. */
interface Origin {
  readonly source: number;
  readonly form: 'key' | 'array' | 'object';
}

/** The bags of a feature of a call. */
export class BagColumn {
  readonly name: string;
  /** Numbers below 2^32, and other ids. */
  readonly #keys: (number | bigint)[] = [];
  readonly #offsets: number[] = [0];
  readonly #weights: number[] = [];
  readonly #origins: Origin[] = [];
  #isWide = false;
  #isWeighted = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Adds a bag. @throws INVALID_BAGS, INVALID_KEY, INVALID_WEIGHTS */
  async add(source: number, value: unknown, slices: Slices): Promise<void> {
    if (Array.isArray(value)) await this.#addBag({ source, form: 'array' }, value, undefined, slices);
    else if (typeof value !== 'object' || value === null)
      await this.#addBag({ source, form: 'key' }, [value], undefined, slices);
    else await this.#addObject(source, value, slices);
  }

  async #addObject(source: number, value: object, slices: Slices): Promise<void> {
    const path = pathOf(source, this.name);
    const { keys, weights, ...others } = value as { keys?: unknown; weights?: unknown };
    const [other] = Object.keys(others);
    if (other !== undefined)
      throw wrongValue({ field: `${path}.${other}` }, 'there is no field with this name');
    if (!Array.isArray(keys)) throw wrongValue({ field: `${path}.keys` }, 'expected an array of keys');
    if (weights !== undefined && (!Array.isArray(weights) || weights.length !== keys.length)) {
      const problem = `expected an array of ${keys.length} numbers, one for each key`;
      throw wrongValue({ field: `${path}.weights` }, problem, 'INVALID_WEIGHTS');
    }
    await this.#addBag({ source, form: 'object' }, keys, weights, slices);
  }

  async #addBag(
    origin: Origin,
    keys: readonly unknown[],
    weights: readonly unknown[] | undefined,
    slices: Slices,
  ): Promise<void> {
    for (const [i, key] of keys.entries()) {
      if (i % elementsAtOnce === 0) await slices.pause();
      const isSmall = Number.isInteger(key) && (key as number) >= 0 && (key as number) <= u32Max;
      const id = isSmall ? (key as number) : idOf(key);
      if (id === undefined) throw this.#wrongKey(origin, i, key);
      this.#isWide ||= !isSmall;
      this.#keys.push(id);
      // A key without a weight counts once.
      this.#weights.push(weights === undefined ? 1 : this.#weightOf(origin, i, weights[i]));
    }
    this.#isWeighted ||= weights !== undefined;
    this.#offsets.push(this.#keys.length);
    this.#origins.push(origin);
  }

  async join(slices: Slices): Promise<Bags> {
    const { length } = this.#keys;
    const keys = this.#isWide
      ? await copyTo(new BigUint64Array(length), this.#keys, BigInt, slices)
      : await copyTo(new Uint32Array(length), this.#keys, Number, slices);
    const offsets = await copyTo(new Uint32Array(this.#offsets.length), this.#offsets, Number, slices);
    const bags = { keys, offsets, includeLastOffset: true };
    if (!this.#isWeighted) return bags;
    return { ...bags, weights: await copyTo(new Float32Array(length), this.#weights, Number, slices) };
  }

  /** Where a key or a weight is in the call. @param position in the keys of all bags */
  placeOf(array: 'keys' | 'weights', position: number): Place | undefined {
    const bag = this.#offsets.findIndex((offset) => offset > position) - 1;
    const origin = this.#origins[bag];
    return origin && this.#placeIn(origin, array, position - this.#offsets[bag]);
  }

  #placeIn({ source, form }: Origin, array: 'keys' | 'weights', position: number): Place {
    const field = pathOf(source, this.name);
    if (form === 'key') return { field };
    return { field: form === 'object' ? `${field}.${array}` : field, position };
  }

  #wrongKey(origin: Origin, index: number, key: unknown): FlexemrError {
    const place = this.#placeIn(origin, 'keys', index);
    return typeof key === 'number' || typeof key === 'string'
      ? wrongValue(place, `${show(key)} ${noId}`, 'INVALID_KEY')
      : wrongValue(place, `expected ${forms}, not ${show(key)}`);
  }

  #weightOf(origin: Origin, index: number, weight: unknown): number {
    if (typeof weight === 'number' && Number.isFinite(Math.fround(weight))) return weight;
    const place = this.#placeIn(origin, 'weights', index);
    throw wrongValue(place, `${show(weight)} is not a number of 32 bits`, 'INVALID_WEIGHTS');
  }
}
