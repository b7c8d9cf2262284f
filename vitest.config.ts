import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Tests start some hundred processes and threads: each would strip the types of the same files, and compile them.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

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
          // Most wait for processes and sockets: on two processors two files at a time are done in little over half the time.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          include: ['test/**/*.test.ts'],
          exclude: [
            ...alone,
            ...['rdma', 'service', 'cluster', 'deploy'].map((other) => `test/${other}/**`),
            '**/node_modules/**',
          ],
        },
      },
      { test: { ...common, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
