// Measures how much memory batches take, by scoring some that nobody has asked for.
import { FlexemrError } from '../errors.ts';
import type { ModelPlan, PlannedFeature } from '../model/model-plan.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { type BatchContext, BatchRun } from '../scorer/batch-run.ts';
import { MemoryCurve, type MemoryPoint } from '../scorer/memory-curve.ts';
import { ScoreBatch } from '../scorer/score-batch.ts';
import type { CheckedRequest, FeatureBags } from '../scorer/score-request.ts';
import { denseRunMsMax } from '../scoring-limits.ts';
import { collectAll } from './collect-garbage.ts';

/** The first batch is so much smaller than the largest one. */
const smallest = 128;
/**
 * A batch is only measured if there is memory for this many times what it is expected to need more than the one before, within
 * this share of the capacity: to measure must not need too much memory itself.
 */
const margin = 1.5;
const measuredShare = 0.85;
/** Smaller steps are not worth their time. */
const leastStep = 1.05;
/** Garbage of earlier batches may still be resident, as it may be later. */
const repeats = 3;
const sampleMs = 2;

/** The most bytes of this process that were resident since it was opened. */
class Peak implements Disposable {
  #bytes = 0;
  readonly #timer = setInterval(() => this.bytes, sampleMs);

  get bytes(): number {
    this.#bytes = Math.max(this.#bytes, process.memoryUsage.rss());
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Measures the resident bytes of this process while it scores batches, as many at once as a scorer does.
 * @param most candidates of the largest batch; it is not measured if there is no memory for it
 */
export async function measureNetworks(
  context: BatchContext,
  most: number,
  capacityBytes: number,
): Promise<MemoryCurve> {
  const points: MemoryPoint[] = [{ candidates: 0, bytes: process.memoryUsage.rss() }];
  for (let candidates: number | undefined = Math.ceil(most / smallest); candidates !== undefined; ) {
    points.push({ candidates, bytes: await measure(context, candidates) });
    candidates = next(points, most, capacityBytes);
  }
  return new MemoryCurve(points);
}

/** Candidates of the next batch: twice as many, or as many as there is surely memory for. Undefined: there is none for more. */
function next(points: readonly MemoryPoint[], most: number, capacityBytes: number): number | undefined {
  const [before, last] = points.slice(-2);
  const each = Math.max(1, (last.bytes - before.bytes) / (last.candidates - before.candidates));
  const more = (measuredShare * capacityBytes - last.bytes) / (margin * each);
  const candidates = Math.floor(Math.min(most, 2 * last.candidates, last.candidates + more));
  const isWorth = candidates === most || candidates >= leastStep * last.candidates;
  return isWorth && candidates > last.candidates ? candidates : undefined;
}

/** The most bytes that are resident while batches of so many candidates are scored. */
async function measure(context: BatchContext, candidates: number): Promise<number> {
  await collectAll();
  using peak = new Peak();
  for (let i = 0; i < repeats; i++) {
    const batches = Array.from({ length: context.dense.threads + 1 }, () => score(context, candidates));
    await Promise.all(batches);
  }
  return peak.bytes;
}

async function score(context: BatchContext, candidates: number): Promise<void> {
  const { plan, source } = context;
  // Nobody has asked for this batch, so it is not counted.
  const unobserved = { ...context, tracer: undefined, observer: undefined };
  const run = async (hasKeys: boolean): Promise<void> => {
    const request = sampleRequest(plan, source.specs, candidates, hasKeys);
    await new BatchRun(new ScoreBatch([request], plan), unobserved, undefined).outputs(denseRunMsMax);
  };
  await run(true).catch(async (error: unknown) => {
    // An indexed table may have no such ids.
    if (!(error instanceof FlexemrError) || error.code !== 'INVALID_KEY') throw error;
    await run(false);
  });
}

/** A request whose bags have one key each, as different as there are rows, or none. */
function sampleRequest(
  plan: ModelPlan,
  specs: readonly TableSpec[],
  candidates: number,
  hasKeys: boolean,
): CheckedRequest {
  const bagsOf = ({ table }: PlannedFeature): FeatureBags => {
    const rows = specs.find(({ name }) => name === table)?.rows ?? 1;
    const keys = Uint32Array.from({ length: hasKeys ? candidates : 0 }, (_, i) => i % rows);
    const offsets = Uint32Array.from({ length: candidates + 1 }, (_, i) => (hasKeys ? i : 0));
    return { keys, offsets, weights: undefined, inverse: undefined, bags: candidates, results: candidates };
  };
  return {
    candidates,
    features: plan.features.map(bagsOf),
    dense: plan.dense.map(({ width }) => new Float32Array(width * candidates)),
    weighted: plan.features.map(() => '-').join(''),
  };
}
