// Reads a lookup in JSON. Values that JSON cannot express (u64, NaN) are strings; everything else is as in the API.
import * as v from 'valibot';
import { join, named, oneOf, read, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { jsonFeaturesMax } from '../limits.ts';
import type { TableFinder } from '../lookup/bag-reader.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { badKey } from '../plan/checked-bags.ts';
import { idOf, isDecimal, noId } from '../plan/json-key.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import type { OwnTables } from './own-tables.ts';

export interface JsonRequest {
  readonly bags: KeyedBags;
  /** Undefined: the policy of each table applies. */
  readonly onMissing: MissingPolicy | undefined;
}

const bodySchema = v.strictObject({
  bags: named,
  onMissing: v.optional(oneOf(['error', 'skip', 'default'])),
});

/** The bags of one feature. The lookup checks the arrays, because it reports which element is wrong. */
const bagsSchema = v.strictObject({
  table: v.optional(v.string()),
  keys: v.optional(v.unknown()),
  offsets: v.optional(v.unknown()),
  includeLastOffset: v.optional(v.boolean()),
  lengths: v.optional(v.unknown()),
  weights: v.optional(v.unknown()),
});

/**
 * Reads a body. @throws INVALID_BAGS, INVALID_OPTION, UNKNOWN_TABLE, LIMIT_EXCEEDED, and INVALID_KEY for ids
 */
export async function requestOf(
  body: unknown,
  { tableOf }: Pick<OwnTables, 'tableOf'>,
  slices: Slices,
): Promise<JsonRequest> {
  const { bags, onMissing } = parse(bodySchema, body, 'body');
  const given = Object.entries(bags);
  checkCount('features', given.length, jsonFeaturesMax);
  const features: [string, Bags][] = [];
  for (const [name, own] of given) {
    features.push([name, await bagsOf(name, own, tableOf, slices)]);
    await slices.pause();
  }
  return { bags: Object.fromEntries(features), onMissing };
}

/** @throws LIMIT_EXCEEDED */
export function checkCount(what: string, count: number, most: number): void {
  if (count <= most) return;
  const message = `a lookup in JSON has at most ${most} ${what}, but this one has ${count}; split the lookup, or send frames`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: count });
}

function parse<T>(schema: Schema<T>, given: unknown, name: string): T {
  return read(schema, given, ({ path, value, problem }) => {
    const field = name === 'body' && path !== '' ? path : join(name, path);
    const code = field === 'onMissing' ? 'INVALID_OPTION' : 'INVALID_BAGS';
    return new FlexemrError(code, `${field}: ${problem}`, { field, value });
  });
}

async function bagsOf(name: string, given: unknown, tableOf: TableFinder, slices: Slices): Promise<Bags> {
  const { keys, weights, offsets, lengths, ...bags } = parse(bagsSchema, given, name);
  const { takesIds } = tableOf(bags.table ?? name, name);
  const numbers = {
    keys: takesIds ? await idsOf(name, keys, slices) : await wholeNumbers(keys, true, slices),
    offsets: await wholeNumbers(offsets, false, slices),
    lengths: await wholeNumbers(lengths, false, slices),
    weights: await weightsOf(weights, slices),
  };
  return { ...bags, ...numbers } as Bags;
}

/**
 * Converts whole numbers to u32. If one element is something else, it returns an array and not a Uint32Array, and
 * the lookup then reports which element is wrong. @param decimals whether strings of digits count as numbers
 */
async function wholeNumbers(given: unknown, decimals: boolean, slices: Slices): Promise<unknown> {
  if (!Array.isArray(given)) return given;
  const read = (value: unknown): unknown => (decimals && isDecimal(value) ? Number(value) : value);
  const numbers = new Uint32Array(given.length);
  for (let i = 0; i < given.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const value = read(given[i]);
    if (typeof value === 'number') numbers[i] = value;
    if (numbers[i] !== value) return given.map(read);
  }
  return numbers;
}

/** Converts numbers and decimal strings to u64. */
async function idsOf(feature: string, keys: unknown, slices: Slices): Promise<unknown> {
  if (!Array.isArray(keys)) return keys;
  const ids = new BigUint64Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const id = idOf(keys[i]);
    if (id === undefined) throw badKey(feature, i, keys[i], noId);
    ids[i] = id;
  }
  return ids;
}

const notFinite: unknown[] = ['NaN', 'Infinity', '-Infinity'];

/** Converts numbers, and the strings of `notFinite`, to f32. Returns all unchanged if one element is something else. */
async function weightsOf(given: unknown, slices: Slices): Promise<unknown> {
  if (!Array.isArray(given)) return given;
  const weights = new Float32Array(given.length);
  for (let i = 0; i < given.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const value: unknown = notFinite.includes(given[i]) ? Number(given[i]) : given[i];
    if (typeof value !== 'number') return given;
    weights[i] = value;
  }
  return weights;
}
