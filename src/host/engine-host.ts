import { performance } from 'node:perf_hooks';
import type { EngineHost } from '../engine/open-engine.ts';
import { kernelModule } from '../kernel/files.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Transport } from '../transport/transport.ts';
import { collectGarbage } from './collect-garbage.ts';

/** This thread, for an engine. */
export async function engineHost(transport: Transport): Promise<EngineHost> {
  const tracer = await loadTracer();
  return {
    transport,
    openRanker: (parts) =>
      InlineRanker.open({ ...parts, tracer, module: kernelModule('ranker'), collect: collectGarbage }),
    activeMs: () => performance.eventLoopUtilization().active,
  };
}
