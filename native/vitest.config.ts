import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // One device, and one ledger a process.
    fileParallelism: false,
    testTimeout: 120_000,
  },
});
