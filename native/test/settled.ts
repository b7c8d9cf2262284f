import { readdirSync } from 'node:fs';
import { expect } from 'vitest';

/** Does `work` so many times: memory and open files are then what they were after a tenth of them. */
export function expectSettled(times: number, work: () => void): void {
  const files = (): number => readdirSync('/proc/self/fd').length;
  let settled = { rssBytes: 0, files: 0 };
  for (let i = 0; i < times; i++) {
    work();
    // What libraries keep for themselves they have by now.
    if (i === times / 10) settled = { rssBytes: process.memoryUsage.rss(), files: files() };
  }
  expect(files()).toBe(settled.files);
  expect(process.memoryUsage.rss() - settled.rssBytes).toBeLessThan(16 * 2 ** 20);
}
