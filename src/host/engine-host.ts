import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { EngineHost } from '../engine/open-engine.ts';
import { engineSpinUsMax } from '../engine-limits.ts';
import { kernelModule } from '../kernel/files.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Transport } from '../transport/transport.ts';
import { collectGarbage } from './collect-garbage.ts';

/**
 * An engine looks for work only if all engines, the application and one more thread have a processor each. Otherwise it would keep
 * from running what it waits for.
 */
function spinUsMax(engines: number): number {
  return availableParallelism() > engines + 1 ? engineSpinUsMax : 0;
}

/** This thread, for one of some engines. */
export async function engineHost(transport: Transport, engines: number): Promise<EngineHost> {
  const tracer = await loadTracer();
  return {
    transport,
    openRanker: (parts) =>
      InlineRanker.open({ ...parts, tracer, module: kernelModule('ranker'), collect: collectGarbage }),
    spinUsMax: spinUsMax(engines),
    activeMs: () => performance.eventLoopUtilization().active,
  };
}
