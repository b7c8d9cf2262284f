import { defineConfig } from 'vitest/config';

const minutes = process.env.FLEXEMR_SOAK === '1' ? 120 : 10;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: minutes * 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
});
