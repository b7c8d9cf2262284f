// A lookup in JSON on its way in: what JSON cannot say (u64, NaN) comes as strings, everything else as in the API.
import * as v from 'valibot';
import { FlexemrError, show } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import type { Bags } from '../plan/bags.ts';
import { badKey, type CheckedBags, checkBags } from '../plan/checked-bags.ts';
import type { ServedTable } from '../wire/handler.ts';

/** The bags of one feature. */
export interface JsonFeature {
  readonly name: string;
  readonly table: ServedTable;
  readonly bags: CheckedBags;
}

export interface JsonAsked {
  readonly features: readonly JsonFeature[];
  /** Undefined: as each table says. */
  readonly missing: MissingPolicy | undefined;
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bodySchema = v.strictObject({
  // Not a record: that would pass over features of some names.
  bags: v.custom<Record<string, unknown>>(isObject, 'give the bags of each feature as an object'),
  onMissing: v.optional(v.picklist(['error', 'skip', 'default'])),
});

/** Of one feature; arrays are left to checkBags, which says where in them something is wrong. */
const bagsSchema = v.strictObject({
  table: v.optional(v.string()),
  keys: v.optional(v.unknown()),
  offsets: v.optional(v.unknown()),
  includeLastOffset: v.optional(v.boolean()),
  lengths: v.optional(v.unknown()),
  weights: v.optional(v.unknown()),
});

/**
 * Checks a body against the tables that are there.
 * @throws INVALID_BAGS, INVALID_OPTION, UNKNOWN_TABLE, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED
 */
export function askedOf(body: unknown, tables: readonly ServedTable[]): JsonAsked {
  const { bags, onMissing } = parse(bodySchema, body, 'body');
  const features = Object.entries(bags).map(([name, given]) => featureOf(name, given, tables));
  return { features, missing: onMissing };
}

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown, field: string): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const where = path === null ? field : field === 'body' ? path : `${field}.${path}`;
  const code = where === 'onMissing' ? 'INVALID_OPTION' : 'INVALID_BAGS';
  throw new FlexemrError(code, `${where}: ${issue.message}`, { field: where, value: issue.input });
}

function featureOf(name: string, given: unknown, tables: readonly ServedTable[]): JsonFeature {
  const { keys, weights, ...bags } = parse(bagsSchema, given, name);
  const table = tableOf(name, bags.table ?? name, tables);
  const numbers = { keys: keysOf(name, keys, table.indexed), weights: weightsOf(weights) };
  const checked = checkBags(name, { ...bags, ...numbers } as Bags, table.indexed);
  if (checked.weights === undefined || (table.mode !== 'max' && table.mode !== 'none'))
    return { name, table, bags: checked };
  const message = `${name}: table ${table.name} pools by ${table.mode}, which takes no weights; leave them out`;
  throw new FlexemrError('INVALID_WEIGHTS', message, { field: `${name}.weights`, value: table.mode });
}

function tableOf(feature: string, name: string, tables: readonly ServedTable[]): ServedTable {
  const table = tables.find((served) => served.name === name);
  if (table) return table;
  const message = `${feature}: this node holds nothing of a table named ${show(name)}; GET /v1/tables lists what it holds`;
  throw new FlexemrError('UNKNOWN_TABLE', message, { field: feature, value: name });
}

/** Decimal strings as numbers, or for an indexed table as u64; whatever is no array or no key stays as it is. */
function keysOf(feature: string, keys: unknown, indexed: boolean): unknown {
  if (!Array.isArray(keys) || !keys.some((key) => typeof key === 'string')) return keys;
  if (!indexed) return keys.map((key) => (isDecimal(key) ? Number(key) : key));
  return BigUint64Array.from(keys, (key, i) => idOf(feature, i, key));
}

function isDecimal(key: unknown): key is string {
  return typeof key === 'string' && /^-?\d{1,20}$/.test(key);
}

/** Negative ids stand for the u64 of the same bits, as files with signed ids have them. */
function idOf(feature: string, position: number, key: unknown): bigint {
  const exact = Number.isSafeInteger(key) && Number(key) >= 0;
  const id = exact || isDecimal(key) ? BigInt(key as number | string) : undefined;
  if (id !== undefined && id >= -(2n ** 63n) && id < 2n ** 64n) return BigInt.asUintN(64, id);
  const problem = 'is not an id: an integer from 0 to 2^53 − 1, or a decimal string from −2^63 to 2^64 − 1';
  throw badKey(feature, position, key, problem);
}

const notFinite = ['NaN', 'Infinity', '-Infinity'];

function weightsOf(weights: unknown): unknown {
  if (!Array.isArray(weights)) return weights;
  return weights.map((weight) => (notFinite.includes(weight) ? Number(weight) : weight));
}
