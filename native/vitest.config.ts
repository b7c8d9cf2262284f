import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // One device, and one ledger a process.
    fileParallelism: false,
    // Emulated machines, where Soft-RoCE has its devices, are slow.
    testTimeout: 600_000,
  },
});
