// A program that starts two memory nodes, sends them one lookup in a trace, and says what it has loaded.
import { createRequire } from 'node:module';
import { openRanker, startLocalCluster } from '../../src/index.ts';

/** What the program prints. */
export interface TracedLookup {
  readonly pid: number;
  /** Process ids of the nodes. */
  readonly pids: readonly number[];
  /** Modules of OpenTelemetry in this process. All of them are CommonJS. */
  readonly loaded: readonly string[];
}

if (process.argv[1] === import.meta.filename) {
  const [, , tables, traceId, spanId] = process.argv;
  const cluster = await startLocalCluster({ tables, nodes: 2, split: 'row' });
  const ranker = await openRanker({ routing: cluster.routing });
  const bags = { user: { keys: [0, 610], offsets: [0] } };
  await ranker.lookup(bags, { trace: { traceId, spanId, flags: 1 } });
  const { cache } = createRequire(import.meta.url);
  const loaded = Object.keys(cache).filter((file) => file.includes('@opentelemetry'));
  const { pid } = process;
  // The nodes end with this process, which the test ends when it has seen their spans.
  console.log(JSON.stringify({ pid, pids: cluster.pids, loaded } satisfies TracedLookup));
}
