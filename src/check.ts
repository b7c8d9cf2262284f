// Checks what callers pass, by schemas, before any other code uses it. An error gives the path of the wrong value, as a
// program would write it (`tables[3].shards[1].end`), and says what was expected there.
import * as v from 'valibot';
import { type ErrorCode, FlexemrError, show, withArticle } from './errors.ts';

export type Schema<T> = v.GenericSchema<unknown, T>;

export type Optional<T> = v.OptionalSchema<Schema<T>, undefined>;

/** The first thing that is wrong with a value. */
export interface Fault {
  /** Empty if it is the value itself. */
  readonly path: string;
  readonly value: unknown;
  /** "expected an integer from 1 to 64, not 0" */
  readonly problem: string;
}

/**
 * Reads a value by a schema.
 * @param refuse makes the error
 * @returns the output of the schema. Objects are copies, so that exactly the checked values are used
 */
export function read<T>(schema: Schema<T>, value: unknown, refuse: (fault: Fault) => FlexemrError): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw refuse({ path: pathOf(issue), value: issue.input, problem: problemOf(issue) });
}

/** Checks an argument. @param name of the argument @throws FlexemrError with `code`, and the path in `field` */
export function check<T>(
  schema: Schema<T>,
  value: unknown,
  name: string,
  code: ErrorCode = 'INVALID_OPTION',
): T {
  return read(schema, value, (fault) => refusal(join(name, fault.path), fault, code));
}

/** Checks an argument, mostly options, whose fields are named in errors without the argument. @throws as `check` */
export function checkFields<T>(
  schema: Schema<T>,
  value: unknown,
  name = 'options',
  code: ErrorCode = 'INVALID_OPTION',
): T {
  return read(schema, value, (fault) => refusal(fault.path || name, fault, code));
}

/** If the path is an element of an array, `field` is the array and `position` the element, as in `invalidAt`. */
function refusal(path: string, { problem, value }: Fault, code: ErrorCode): FlexemrError {
  const element = /^(.*)\[(\d+)\]$/.exec(path);
  const place = element ? { field: element[1], position: Number(element[2]) } : { field: path };
  return new FlexemrError(code, `${path}: ${problem}`, { ...place, value });
}

/** The path of a field in a value whose own path is `root`. */
export function join(root: string, path: string): string {
  return path === '' || path.startsWith('[') || root === '' ? `${root}${path}` : `${root}.${path}`;
}

type Issue = Pick<v.BaseIssue<unknown>, 'type' | 'path' | 'message' | 'expected' | 'input'>;

function pathOf({ path }: Issue): string {
  return (path ?? []).reduce((sofar, { key }) => {
    return join(sofar, typeof key === 'number' ? `[${key}]` : String(key));
  }, '');
}

function problemOf(issue: Issue): string {
  const { expected, input, type } = issue;
  if (type === 'strict_object' && expected === 'never') return 'there is no field with this name';
  const wanted = wantedBy(issue);
  return input === undefined ? `is missing: expected ${wanted}` : `expected ${wanted}, not ${show(input)}`;
}

/** What was expected, in words. Messages of our own schemas say only this; messages of valibot are translated. */
function wantedBy({ type, expected, message }: Issue): string {
  if (!message.startsWith('Invalid ')) return message;
  const text = expected?.replace(/^\((.*)\)$/, '$1').replaceAll(' | ', ' or ') ?? type.replaceAll('_', ' ');
  const bound = /^([<>]=?|!)(.*)$/.exec(text);
  if (bound)
    return `${boundNames[bound[1]]} ${type.endsWith('_length') ? `a length of ${bound[2]}` : bound[2]}`;
  return withArticle(text === 'Object' || text === 'Array' ? text.toLowerCase() : text);
}

const boundNames: Readonly<Record<string, string>> = {
  '>=': 'at least',
  '<=': 'at most',
  '>': 'more than',
  '<': 'less than',
  '!': 'not',
};

// Schemas that many arguments share.

/** An integer in a range, ends included. */
export function integer(least: number, most: number): Schema<number> {
  return numberWhere(
    (value) => Number.isInteger(value) && value >= least && value <= most,
    `an integer from ${least} to ${most}`,
  );
}

export function numberWhere(holds: (value: number) => boolean, wanted: string): Schema<number> {
  return v.custom<number>((value) => typeof value === 'number' && holds(value), wanted);
}

export function oneOf<const T extends readonly (string | boolean)[]>(choices: T): Schema<T[number]> {
  return v.custom<T[number]>((value) => choices.includes(value as T[number]), `one of ${choices.join(', ')}`);
}

/** A value that must be present. Other code checks it. */
export function given<T>(wanted: string): Schema<T> {
  return v.custom<T>((value) => value !== undefined, wanted);
}

/** A function that is called back. */
export function callback<T>(): Schema<T> {
  return v.custom<T>((value) => typeof value === 'function', 'a function');
}

/** Whether a value is an object, but not an array, a map, a typed array or another list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !(Symbol.iterator in value) && !ArrayBuffer.isView(value)
  );
}

/** Options: an object that has these fields and no others. */
export function options<const E extends v.ObjectEntries>(
  entries: E,
): Schema<v.InferOutput<v.StrictObjectSchema<E, undefined>>> {
  return v.pipe(v.custom<object>(isObject, 'an object'), v.strictObject(entries)) as never;
}

/** An object with any names, including "constructor" and "__proto__", which v.record ignores. */
export const named: Schema<Readonly<Record<string, unknown>>> = v.custom<Readonly<Record<string, unknown>>>(
  isPlain,
  'an object',
);

/** Whether an object was made by `{}` or has no prototype. Maps, promises and instances of classes are refused. */
function isPlain(value: unknown): boolean {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A typed array with one of these names, from any realm. */
export function typedArray<T extends ArrayBufferView>(...names: readonly string[]): Schema<T> {
  const holds = (value: unknown): boolean =>
    ArrayBuffer.isView(value) && names.includes(String((value as Partial<Uint8Array>)[Symbol.toStringTag]));
  return v.custom<T>(holds, names.map(withArticle).join(' or '));
}

/** The path of a file. */
export const filePath: Schema<string> = v.custom<string>(
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
  'the path of a file',
);

/** The address of an HTTP server. */
export const httpAddress: Schema<string> = v.custom<string>(
  (value) => typeof value === 'string' && /^https?:\/\//i.test(value) && URL.canParse(value),
  'an http:// or https:// address',
);

/** An iterable object. Text is not accepted. */
export function iterable(wanted: string): Schema<Iterable<unknown>> {
  return v.custom<Iterable<unknown>>((value) => hasSymbol(value, Symbol.iterator), wanted);
}

export function hasSymbol(value: unknown, symbol: symbol): boolean {
  return typeof value === 'object' && value !== null && symbol in value;
}
