import { FlexemrError } from '../errors.ts';

/** The error of everything that is asked of a ranker after it was closed, and of the lookups that it had. */
export function closed(): FlexemrError {
  return new FlexemrError('RELEASED', 'this ranker was closed', { field: 'ranker' });
}
