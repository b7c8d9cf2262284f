import { defineConfig } from 'vitest/config';

const minutes = process.env.FLEXEMR_SOAK === '1' ? 120 : 10;
const common = {
  testTimeout: minutes * 60_000,
  hookTimeout: 60_000,
  // What a test waits for comes; how soon is up to the machine.
  expect: { poll: { timeout: 60_000 } },
  pool: 'forks',
} as const;

/** Latencies mean nothing beside other tests: these run last, by themselves. */
const alone = ['test/85.system/latency.test.ts', 'test/85.system/siege.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...alone, 'test/rdma/**', '**/node_modules/**'],
        },
      },
      { test: { ...common, name: 'alone', include: alone, sequence: { groupOrder: 1 } } },
    ],
  },
});
