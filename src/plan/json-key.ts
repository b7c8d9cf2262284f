// Integers of 64 bits in JSON. Its numbers are exact only up to 2^53 − 1, so larger integers are decimal strings.

/** Whether a value is an integer of up to 20 digits, as a string. */
export function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value);
}

/** The integer that a number or a decimal string is. Undefined if it is none, or a number that may have been rounded. */
export function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return isDecimal(value) ? BigInt(value) : undefined;
}

const idLeast = -(2n ** 63n);
const idEnd = 2n ** 64n;

/** The id that a number or a decimal string is. A negative string stands for the u64 with the same bits. */
export function idOf(key: unknown): bigint | undefined {
  const id = integerOf(key);
  if (id === undefined || id < idLeast || id >= idEnd) return undefined;
  if (typeof key === 'number' && id < 0n) return undefined;
  return BigInt.asUintN(64, id);
}

/** What is wrong with a key for which `idOf` is undefined. */
export const noId = 'is not an id: an integer from 0 to 2^53 − 1, or a decimal string from −2^63 to 2^64 − 1';
