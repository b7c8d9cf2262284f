// A cache that becomes small gives its memory back to the operating system, while lookups go on.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('a cache that becomes small gives its memory back', () => {
  const script = join(import.meta.dirname, 'shrinking-cache.ts');
  const said = execFileSync(process.execPath, [script], { encoding: 'utf8', timeout: 60_000 });
  const { entries, before, after, released } = JSON.parse(said);
  expect(released).toBe(0);
  expect(entries).toBeGreaterThan(60e6);
  expect(before - after).toBeGreaterThan(0.9 * entries);
});
