import type * as v from 'valibot';

type Issue = Pick<v.BaseIssue<unknown>, 'path' | 'message' | 'expected' | 'input'>;

/** Where in a value an issue is, as a program would write it: `tables[3].shards[1].end`. Undefined: the value itself. */
export function pathOf({ path }: Pick<Issue, 'path'>): string | undefined {
  if (path === undefined) return undefined;
  const steps = path.map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return steps.join('').replace(/^\./, '');
}

/** What is wrong there. */
export function problemOf({
  input,
  expected,
  message,
}: Pick<Issue, 'input' | 'expected' | 'message'>): string {
  if (input !== undefined) return message;
  return expected === null || expected.startsWith('"') ? 'is missing' : `is missing: expected ${expected}`;
}
