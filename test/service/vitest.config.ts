// Tests of the scoring service with real programs: clients, Prometheus, a collector of traces.
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../node_modules/.cache/node-compile');

export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/service/*.test.ts'],
    globalSetup: 'test/service/shared.ts',
    pool: 'forks',
    // Most files ask one service, and some compare its counters with what they have sent.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
