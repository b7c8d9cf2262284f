import type * as v from 'valibot';

type Issue = Pick<v.BaseIssue<unknown>, 'path' | 'message' | 'expected' | 'input'>;

/**
 * Where in a value an issue is, as a program would write it: `tables[3].shards[1].end`.
 * @param root what the value is called; by default it has no name, and a path in it begins with the first step
 */
export function pathOf({ path }: Issue, root = ''): string {
  const steps = (path ?? []).map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return `${root}${steps.join('')}`.replace(/^\./, '');
}

/** What is wrong there. */
export function problemOf({ input, expected, message }: Issue): string {
  if (input !== undefined) return message;
  return expected === null || expected.startsWith('"') ? 'is missing' : `is missing: expected ${expected}`;
}
