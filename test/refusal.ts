// What is refused, and why.
import { expect } from 'vitest';
import { FlexemrError } from '../src/index.ts';

/** The error that ends some work. */
export function refusal(work: () => unknown): FlexemrError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}

/** The error that ends some work, at once or later. */
export async function refused(work: () => unknown): Promise<FlexemrError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}
