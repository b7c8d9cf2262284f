// Catches the errors of calls that must be refused.
import { expect } from 'vitest';
import { FlexemrError } from '../src/index.ts';

/** @returns the error that `work` throws */
export function refusal(work: () => unknown): FlexemrError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}

/** @returns the error that `work` throws or rejects with */
export async function refused(work: () => unknown): Promise<FlexemrError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}
