// npm run bench -- heap: bytes of JavaScript heap that a lookup over a memory node leaves for the garbage collector.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openRanker, startLocalCluster } from '../src/index.ts';
import { describe, environment } from './environment.ts';
import { batchesOf, type RequestBatch } from './serving/requests.ts';
import { writeTables } from './serving/rows.ts';
import type { Workload } from './serving/workload.ts';
import { allWorkloads } from './serving/workloads.ts';
import { UsageError } from './usage.ts';

const batchSizes = [1, 16];
const rounds = 60;
/** Few, so that no collection comes in the middle of a round. */
const lookups = 10;
const warmLookups = 3_000;

export async function run(args: string[]): Promise<void> {
  if (args.length > 0) throw new UsageError('heap takes no options');
  console.log(describe(environment()));
  console.log(
    `\n${'features'.padStart(8)}  ${batchSizes.map((size) => `${size} samples, bytes`).join('  ')}`,
  );
  for (const workload of await allWorkloads(true)) {
    if (workload.name !== 'mlperf' && workload.name !== 'meta2021') continue;
    const bytes = (await measure(workload)).map((each) => String(Math.round(each)).padStart(16));
    console.log(`${String(workload.tables.length).padStart(8)}  ${bytes.join('  ')}`);
  }
}

/** Bytes per lookup, for each batch size. */
async function measure(workload: Workload): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-heap-'));
  try {
    const file = join(folder, 'tables.safetensors');
    await writeTables(file, workload.tables);
    await using cluster = await startLocalCluster({ tables: file, nodes: 1 });
    await using ranker = await openRanker({ routing: cluster.routing });
    const requests = await workload.requests(1.05);
    const sizes: number[] = [];
    for (const size of batchSizes)
      sizes.push(
        await bytesOf(batchesOf(requests, size), async ({ bags }) =>
          (await ranker.lookup(bags))[Symbol.dispose](),
        ),
      );
    return sizes;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function bytesOf(
  batches: readonly RequestBatch[],
  lookUp: (batch: RequestBatch) => Promise<void>,
): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: { type: 'minor' }) => void;
  for (let i = 0; i < warmLookups; i++) await lookUp(batches[i % batches.length]);
  const sizes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    collect({ type: 'minor' });
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < lookups; i++) await lookUp(batches[i % batches.length]);
    sizes.push((process.memoryUsage().heapUsed - before) / lookups);
  }
  return sizes.sort((a, b) => a - b)[rounds >> 1];
}
