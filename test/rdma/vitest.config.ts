// Tests of RDMA: on the stand-in in this process, or in a guest with real verbs if FLEXEMR_RDMA=device.
import { defineConfig } from 'vitest/config';
import { openBed } from './bed.ts';

const { library } = openBed();

export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/rdma/*.test.ts'],
    env: library === undefined ? {} : { IBVERBS_LIBRARY: library },
    pool: 'forks',
    // There is one device, and one ledger per process.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
