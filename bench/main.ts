// npm run bench -- <name> [options]
import { UsageError } from './usage.ts';

const benchmarks: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  kernels: () => import('./kernels.ts'),
  serving: () => import('./serving/serving.ts'),
  slo: () => import('./slo/slo.ts'),
  stages: () => import('./slo/stages.ts'),
  observing: () => import('./slo/observing.ts'),
  'said-once': () => import('./slo/said-once.ts'),
  overload: () => import('./slo/overload.ts'),
  cache: () => import('./cache/lookups.ts'),
  'cache-resize': () => import('./cache/resize.ts'),
  'cache-memory': () => import('./cache/memory.ts'),
  'cache-probe': () => import('./cache/probe.ts'),
  credits: () => import('./credits/credits.ts'),
  replicas: () => import('./replicas/replicas.ts'),
  swap: () => import('./swap/swap.ts'),
  updates: () => import('./updates/updates.ts'),
  'cache-updates': () => import('./updates/cached.ts'),
  rdma: () => import('./rdma/rdma.ts'),
  engines: () => import('./engines/engines.ts'),
  'cache-traces': () => import('./cache/cache-traces.ts'),
  'cache-policies': () => import('./cache/cache-policies.ts'),
  'cache-sessions': () => import('./cache/cache-sessions.ts'),
  component: () => import('./component.ts'),
  digest: () => import('./digest.ts'),
  heap: () => import('./heap.ts'),
  loading: () => import('./loading.ts'),
  'simulated-large': () => import('./simulated/large.ts'),
  simulated: () => import('./simulated/simulated.ts'),
  plot: () => import('./plot.ts'),
};

/** Wrong options also cause errors of parseArgs in node:util. */
function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

const [name = '', ...args] = process.argv.slice(2);
try {
  if (!Object.hasOwn(benchmarks, name)) {
    throw new UsageError(
      `there is no benchmark '${name}'; use one of: ${Object.keys(benchmarks).join(', ')}`,
    );
  }
  const { run } = await benchmarks[name]();
  await run(args);
} catch (error) {
  if (!isUsage(error)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
