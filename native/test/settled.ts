import { readdirSync } from 'node:fs';
import { expect } from 'vitest';

/** Runs `work` `times` times. Memory and open files must not grow after the first tenth of the runs. */
export function expectSettled(times: number, work: () => void): void {
  const files = (): number => readdirSync('/proc/self/fd').length;
  let settled = { rssBytes: 0, files: 0 };
  for (let i = 0; i < times; i++) {
    work();
    // By now, libraries have allocated what they keep.
    if (i === times / 10) settled = { rssBytes: process.memoryUsage.rss(), files: files() };
  }
  expect(files()).toBe(settled.files);
  expect(process.memoryUsage.rss() - settled.rssBytes).toBeLessThan(16 * 2 ** 20);
}
