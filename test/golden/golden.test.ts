import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runGolden } from './harness.ts';

test("PyTorch's 275 cases pass through the public API", async () => {
  const { cases, mismatches } = await runGolden(join(import.meta.dirname, 'cases'));
  expect(mismatches).toEqual([]);
  expect(cases).toBe(275);
});
