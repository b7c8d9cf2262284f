// npm run bench -- stages: where the time of a batch goes, from the metrics of the service: Figure 2 of the paper.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describe, type Environment, environment } from '../environment.ts';
import { writeDlrm } from '../serving/dlrm-network.ts';
import { type DlrmShape, dlrmShapes } from '../serving/dlrm-shapes.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { describeWorkload } from '../serving/workload.ts';
import { mlperfWorkload } from '../serving/workloads.ts';
import { scoresOf } from './agreement.ts';
import type { InferBody } from './infer-body.ts';
import { readMetrics } from './metrics.ts';
import { bodiesOf, randomDense, type ScoredModel } from './scored-model.ts';
import { ModelFiles, type Service } from './services.ts';

/** In the order in which they run, but the lookup runs beside the bottom network. */
export const stageNames = ['lookup', 'bottom', 'interaction', 'top'] as const;
const dims = [128, 256];
const batchSizes = [1, 8, 32, 128];
const deadlineMs = 30_000;
const [full, quickly] = [
  { warm: 30, ms: 4_000 },
  { warm: 1, ms: 200 },
];

export interface StageResult {
  readonly dim: number;
  readonly batch: number;
  /** Milliseconds of a batch in each stage. */
  readonly ms: Readonly<Record<(typeof stageNames)[number], number>>;
}

/** The file that `--json` writes. */
export interface StagesFile {
  readonly benchmark: 'stages';
  readonly environment: Environment;
  readonly quick: boolean;
  readonly results: readonly StageResult[];
}

export async function run(args: string[]): Promise<void> {
  const options = { json: { type: 'string' }, quick: { type: 'boolean', default: false } } as const;
  const { quick, json } = parseArgs({ args, options }).values;
  const env = environment();
  console.log(describe(env));
  const leftovers = new Leftovers();
  const results: StageResult[] = [];
  for (const dim of dims) results.push(...(await measure(leftovers, dim, quick)));
  const file: StagesFile = { benchmark: 'stages', environment: env, quick, results };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(file, null, 2)}\n`);
}

async function measure(leftovers: Leftovers, dim: number, quick: boolean): Promise<StageResult[]> {
  const model = modelOf(dim, quick);
  console.log(`\n${describeWorkload(model.workload)}`);
  console.log(['ms a batch of', ...stageNames].map((cell) => cell.padStart(14)).join(''));
  await using files = await ModelFiles.write(leftovers, model);
  const most = Math.max(...batchSizes);
  const service = await files.overNodes('flexemr', ['--batch-candidates', String(most)]);
  const results: StageResult[] = [];
  for (const batch of batchSizes) {
    const bodies = await bodiesOf(model, { samples: batch, deadlineMs, most: 64 });
    const result = { dim, batch, ms: await stagesOf(service, bodies, quick ? quickly : full) };
    const cells = stageNames.map((stage) => result.ms[stage].toFixed(3));
    console.log([String(batch), ...cells].map((cell) => cell.padStart(14)).join(''));
    results.push(result);
  }
  return results;
}

/** The MLPerf shape with another dim. */
function modelOf(dim: number, quick: boolean): ScoredModel {
  const shape: DlrmShape = { ...dlrmShapes.mlperf, dim };
  return {
    workload: mlperfWorkload(dim, quick),
    sloMs: deadlineMs,
    networks: (folder) => writeDlrm(folder, shape, 'three'),
    dense: async (samples) => randomDense(samples, shape.dense),
  };
}

/** One batch after the other, so that no stage waits for another batch. */
async function stagesOf(
  service: Service,
  bodies: readonly InferBody[],
  { warm, ms }: typeof full,
): Promise<StageResult['ms']> {
  for (let i = 0; i < warm; i++) await scoresOf(service, bodies[i % bodies.length]);
  const before = await readMetrics(service.url);
  const began = performance.now();
  for (let i = warm; performance.now() - began < ms; i++) await scoresOf(service, bodies[i % bodies.length]);
  const after = await readMetrics(service.url);
  const added = (series: string): number => after(series) - before(series);
  const batches = added('flexemr_scorer_batches_total');
  const each = stageNames.map((stage) => {
    const seconds = added(`flexemr_scorer_stage_duration_seconds_sum{stage="${stage}"}`);
    return [stage, (seconds * 1_000) / batches] as const;
  });
  return Object.fromEntries(each) as StageResult['ms'];
}
