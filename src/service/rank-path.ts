import { type ErrorCode, FlexemrError } from '../errors.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import { type Place, placeText } from './failure.ts';

/** Where something is in a call. @param source 0: the user, 1: the first candidate */
export function pathOf(source: number, name?: string): string {
  const path = source === 0 ? 'user' : `candidates[${source - 1}]`;
  return name === undefined ? path : `${path}.${name}`;
}

/** The error of a value of a call. */
export function wrongValue(place: Place, problem: string, code: ErrorCode = 'INVALID_BAGS'): FlexemrError {
  return new FlexemrError(code, `${placeText(place)}: ${problem}`, { ...place });
}

/** Copies a list to a typed array. */
export async function copyTo<T extends { [index: number]: number | bigint }, E>(
  typed: T,
  values: readonly E[],
  convert: (value: E) => T[number],
  slices: Slices,
): Promise<T> {
  for (let i = 0; i < values.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    typed[i] = convert(values[i]);
  }
  return typed;
}
