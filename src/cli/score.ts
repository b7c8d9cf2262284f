import { FlexemrError } from '../errors.ts';
import { DenseNetwork, sigmoid, stackPooled } from '../ranker/dense-network.ts';
import { commonDim } from '../scorer/common-dim.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { writeSafetensors } from '../store/safetensors-writer.ts';
import { type LookupOptions, lookUpBatch } from './lookup.ts';
import type { LookupSource } from './lookup-source.ts';
import { Meter } from './meter.ts';
import { openSource } from './open.ts';
import { type LookupReport, reportOf } from './report.ts';
import { batches, openRequests, type RequestBags } from './requests.ts';

export interface ScoreOptions extends LookupOptions {
  /** The dense network, an ONNX file. */
  readonly dense: string;
}

export interface ScoreReport extends LookupReport {
  /** The package that ran the dense network. */
  readonly runtime: string;
}

/** `flexemr score`: pools every request, runs the dense network, and writes `logit` and `prob`, f32 [requests]. */
export async function score(options: ScoreOptions): Promise<ScoreReport> {
  const network = await DenseNetwork.open(options.dense);
  await using source = await openSource(options);
  await using file = await SafetensorsFile.open(options.requests);
  const bags = await openRequests(file, source.specs.length);
  const started = performance.now();
  const meter = new Meter(source);
  const logit = await scoreRequests(network, meter, file, bags);
  const shape = [logit.length];
  await writeSafetensors(options.out, [
    { name: 'logit', dtype: 'F32', shape, data: logit },
    { name: 'prob', dtype: 'F32', shape, data: sigmoid(logit) },
  ]);
  return { ...reportOf(bags, meter, started, options.out), runtime: network.runtime };
}

async function scoreRequests(
  network: DenseNetwork,
  source: LookupSource,
  file: SafetensorsFile,
  bags: readonly RequestBags[],
): Promise<Float32Array> {
  const requests = bags[0]?.requests ?? 0;
  const dim = commonDim(source.specs);
  const features = denseFeatures(file, requests);
  const names = source.specs.map(({ name }) => name);
  const logits = new Float32Array(requests);
  for (const { begin, end } of batches(bags, dim)) {
    const pooled = stackPooled(await lookUpBatch(source, names, bags, begin, end), end - begin, dim);
    const dense = new Float32Array((end - begin) * features);
    await file.readInto('dense', begin * features * 4, new Uint8Array(dense.buffer));
    logits.set(await network.logits(dense, pooled, end - begin, dim), begin);
  }
  return logits;
}

function denseFeatures(file: SafetensorsFile, requests: number): number {
  const { dtype, shape } = file.entry('dense');
  if (dtype === 'F32' && shape.length === 2 && shape[0] === requests) return shape[1];
  const message = `${file.path}: dense is ${dtype} [${shape.join(', ')}], but must be F32 [${requests}, features]`;
  throw new FlexemrError('INVALID_FILE', message, { field: 'dense.shape', value: shape });
}
