// Options are checked by name, kind and value before C++ sees them: TypeError for the wrong kind and for names that do
// not exist, RangeError for the wrong value.

/** @throws TypeError unless `options` is an object whose names are all `known` */
export function checkNames(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${where}: expected options`);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`${where}: no option is called ${unknown}; there are ${known.join(', ')}`);
  }
}

/** @returns `value`, an integer from `min` to `max` @throws TypeError, RangeError */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number, got ${typeof value}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name}: expected an integer from ${min} to ${max}, got ${value}`);
  }
  return value;
}

/** A class, also one whose constructor is private. */
interface Class {
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** @returns `value` @throws TypeError unless it is an object of one of `classes` */
export function instance<T>(name: string, value: T, ...classes: readonly Class[]): T {
  if (classes.some((one) => value instanceof one)) return value;
  throw new TypeError(`${name}: expected a ${classes.map((one) => one.name).join(' or a ')}`);
}

/** @throws TypeError unless `value` is a function */
export function listenerOf<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw new TypeError(`${name}: expected a function`);
  return value;
}

export const portMax = 255;
export const u16Max = 0xffff;
export const u24Max = 0xff_ffff;
export const i32Max = 0x7fff_ffff;
