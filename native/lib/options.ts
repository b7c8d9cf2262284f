// Checks the name, kind and value of arguments before C++ gets them. Throws a TypeError for a wrong kind or an unknown
// name, and a RangeError for a wrong value. Each has `code` 'INVALID_ARGUMENT', and names the argument in `field`.

/** The error for a wrong argument: a TypeError or a RangeError. */
export interface ArgumentError extends Error {
  readonly code: 'INVALID_ARGUMENT';
  /** Path of the argument: 'depth', 'token.id', 'requests[2]'. */
  readonly field: string;
}

/** The error for an argument of the wrong kind. */
export function wrongKind(field: string, problem: string): TypeError & ArgumentError {
  return Object.assign(new TypeError(`${field}: ${problem}`), { code: 'INVALID_ARGUMENT', field } as const);
}

/** The error for an argument of the right kind that has a wrong value. */
export function wrongValue(field: string, problem: string): RangeError & ArgumentError {
  return Object.assign(new RangeError(`${field}: ${problem}`), { code: 'INVALID_ARGUMENT', field } as const);
}

/** Describes the kind of a value in an error message. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  return value === null ? 'null' : `a value of type ${typeof value}`;
}

/** @throws TypeError unless `options` is an object whose names are all `known` */
export function checkNames(options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw wrongKind('options', `expected an object, got ${kindOf(options)}`);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw wrongKind(unknown, `unknown option; the options are ${known.join(', ')}`);
}

/** @returns `value`, an integer from `min` to `max` @throws TypeError, RangeError */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw wrongKind(name, `expected a number, got ${kindOf(value)}`);
  if (!Number.isInteger(value) || value < min || value > max)
    throw wrongValue(name, `expected an integer from ${min} to ${max}, got ${value}`);
  return value;
}

/** Any class, even one with a private constructor. */
interface Class {
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** @returns `value` @throws TypeError unless it is an object of one of `classes` */
export function instance<T>(name: string, value: T, ...classes: readonly Class[]): T {
  if (classes.some((one) => value instanceof one)) return value;
  const wanted = classes.map((one) => one.name).join(' or a ');
  throw wrongKind(name, `expected a ${wanted}, got ${kindOf(value)}`);
}

/** @throws TypeError unless `value` is a function */
export function listenerOf<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw wrongKind(name, `expected a function, got ${kindOf(value)}`);
  return value;
}

export const portMax = 255;
export const u16Max = 0xffff;
export const u24Max = 0xff_ffff;
export const i32Max = 0x7fff_ffff;
