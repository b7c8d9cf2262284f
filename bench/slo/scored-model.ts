// The models that are served: tables and bags of the serving benchmark, with dense networks.
import { join } from 'node:path';
import { SafetensorsFile } from '../../src/index.ts';
import { fillFloats } from '../data.ts';
import { writeDlrm } from '../serving/dlrm-network.ts';
import { type DlrmShape, dlrmShapes } from '../serving/dlrm-shapes.ts';
import { batchesOf } from '../serving/requests.ts';
import type { Workload } from '../serving/workload.ts';
import { allWorkloads } from '../serving/workloads.ts';
import { bagTensors, denseTensor, type InferBody, inferBody } from './infer-body.ts';

export interface ScoredModel {
  readonly workload: Workload;
  /** Largest p99 in ms. */
  readonly sloMs: number;
  /** Writes the networks into a folder. @returns their paths, in the order in which they run */
  networks(folder: string): string[];
  /** Dense features of some samples, f32 [samples, dense]. */
  dense(samples: number): Promise<Float32Array>;
}

/** The input of dense features in all of these networks. */
const denseName = 'dense';

/** MLPerf's own limit for DLRM-DCNv2 (mlperf.conf), and what a page that waits for its recommendations can spare. */
const sloMs = { mlperf: 60, others: 50 };

const example: string = join(import.meta.dirname, '../../examples/movielens');

/** @param quick whether only the example is wanted, whose files are there already */
export async function scoredModels(quick: boolean): Promise<ScoredModel[]> {
  const workloads = await allWorkloads(quick);
  return workloads.flatMap((workload) => {
    if (workload.name === 'movielens') return movielens(workload);
    const shape = shapeOf(workload.name);
    return quick || shape === undefined ? [] : dlrm(workload, shape);
  });
}

function shapeOf(name: string): DlrmShape | undefined {
  return name in dlrmShapes ? dlrmShapes[name as keyof typeof dlrmShapes] : undefined;
}

function dlrm(workload: Workload, shape: DlrmShape): ScoredModel {
  return {
    workload,
    sloMs: workload.name === 'mlperf' ? sloMs.mlperf : sloMs.others,
    networks: (folder) => writeDlrm(folder, shape, 'two'),
    dense: async (samples) => randomDense(samples, shape.dense),
  };
}

export function randomDense(samples: number, width: number): Float32Array {
  const values = new Float32Array(samples * width);
  fillFloats(values, 7);
  return values;
}

function movielens(workload: Workload): ScoredModel {
  return {
    workload,
    sloMs: sloMs.others,
    networks: () => ['bottom.onnx', 'top.onnx'].map((file) => join(example, file)),
    async dense() {
      await using file = await SafetensorsFile.open(join(example, 'requests.safetensors'));
      return await file.read('dense', 'F32');
    },
  };
}

/** Requests of some samples each. @param most at most this number of requests */
export async function bodiesOf(
  { workload, dense }: Pick<ScoredModel, 'workload' | 'dense'>,
  { samples, deadlineMs, most }: { samples: number; deadlineMs: number; most: number },
): Promise<InferBody[]> {
  const requests = await workload.requests(workload.skews.at(-1));
  const held = requests[0].offsets.length - 1;
  const rows = await dense(held);
  const width = rows.length / held;
  const batches = batchesOf(requests, samples).slice(0, most);
  return batches.map(({ features }, i) => {
    const own = rows.slice(i * samples * width, (i + 1) * samples * width);
    return inferBody([...features.flatMap(bagTensors), denseTensor(denseName, width, own)], deadlineMs);
  });
}
