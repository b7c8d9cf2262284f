// Makes the inputs of a network from what the requests of a batch have said, from pooled vectors, and from the outputs
// of earlier networks. A row that stands for several rows of the network is repeated here, and nowhere else.
import { FlexemrError } from '../errors.ts';
import { loopWordsMax } from '../limits.ts';
import type { PlannedInput, PlannedNetwork } from '../model/model-plan.ts';
import type { Tensor, Tensors } from '../model/tensor.ts';
import { networkInputBytesMax } from '../scoring-limits.ts';
import type { FeatureRows, RowCounts, ScoreBatch } from './score-batch.ts';

/** What a network gave for the rows of a batch. */
export interface NetworkRows {
  /** Rows of every request. */
  readonly counts: RowCounts;
  readonly outputs: Tensors;
}

/** What a network may need besides the requests. */
export interface Made {
  readonly features: (feature: number) => FeatureRows;
  readonly networks: (network: number) => NetworkRows;
}

/** Rows that each request has in a network: one, if each of its inputs has one row that stands for all candidates. */
export function networkCounts({ inputs }: PlannedNetwork, batch: ScoreBatch, made: Made): RowCounts {
  const all = inputs.map((input) => countsOf(input, batch, made));
  return batch.requests.map((_, request) => Math.max(1, ...all.map((counts) => counts[request])));
}

function countsOf(input: PlannedInput, batch: ScoreBatch, made: Made): RowCounts {
  if (input.kind === 'dense') return batch.denseCounts(input.dense);
  if (input.kind === 'output') return made.networks(input.network).counts;
  if (input.kind !== 'pooled') return batch.featureCounts(input.feature);
  const all = input.features.map((feature) => batch.featureCounts(feature));
  return batch.requests.map((_, request) => Math.max(...all.map((counts) => counts[request])));
}

/** @param counts of `networkCounts` @throws LIMIT_EXCEEDED if they need too much memory */
export function networkInputs(
  { inputs }: PlannedNetwork,
  counts: RowCounts,
  batch: ScoreBatch,
  made: Made,
): Tensors {
  return Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input, counts, batch, made)]));
}

function tensorOf(input: PlannedInput, counts: RowCounts, batch: ScoreBatch, made: Made): Tensor {
  const rows = counts.reduce((sum, count) => sum + count, 0);
  switch (input.kind) {
    case 'dense':
      return denseTensor(input, rows, counts, batch);
    case 'pooled':
      return stacked(
        input,
        rows,
        counts,
        input.features.map((feature) => made.features(feature)),
      );
    case 'output': {
      const { counts: own, outputs } = made.networks(input.network);
      const values = outputs[input.output].data as Float32Array;
      return stacked(input, rows, counts, [
        { dim: sizeOf(input.dims), counts: own, values, vectors: undefined, offsets: none },
      ]);
    }
    case 'sequence':
      return sequenceTensor(input, rows, counts, made.features(input.feature));
    default:
      return boundsTensor(input, rows, counts, made.features(input.feature));
  }
}

type InputOf<Kind extends PlannedInput['kind']> = Extract<PlannedInput, { readonly kind: Kind }>;

const none: Uint32Array = new Uint32Array();

function denseTensor(
  { name, dense, width }: InputOf<'dense'>,
  rows: number,
  counts: RowCounts,
  { requests }: ScoreBatch,
): Tensor {
  const data = floats(name, rows * width);
  let at = 0;
  for (const [i, request] of requests.entries()) {
    const own = request.dense[dense];
    for (const end = at + counts[i] * width; at < end; at += own.length) data.set(own, at);
  }
  return { type: 'float32', data, dims: [rows, width] };
}

/** Vectors side by side: f32 [rows, …dims]. */
function stacked(
  { name, dims }: Pick<InputOf<'pooled'>, 'name' | 'dims'>,
  rows: number,
  counts: RowCounts,
  parts: readonly FeatureRows[],
): Tensor {
  const width = sizeOf(dims);
  const data = floats(name, rows * width);
  let column = 0;
  for (const { dim, counts: own, values, vectors } of parts) {
    let to = column;
    for (const row of rowsOf(own, counts)) {
      copy(values, (vectors?.[row] ?? row) * dim, data, to, dim);
      to += width;
    }
    column += dim;
  }
  return { type: 'float32', data, dims: [rows, ...dims] };
}

/** f32 [rows, length, dim], cut or padded with zeros; without a length f32 [vectors, dim]. */
function sequenceTensor(
  { name, length }: InputOf<'sequence'>,
  rows: number,
  counts: RowCounts,
  { dim, counts: own, values, offsets }: FeatureRows,
): Tensor {
  const from = rowsOf(own, counts);
  const most = length ?? Number.POSITIVE_INFINITY;
  const lengths = from.map((row) => Math.min(most, offsets[row + 1] - offsets[row]));
  const vectors = length === undefined ? lengths.reduce((sum, count) => sum + count, 0) : rows * length;
  const data = floats(name, vectors * dim);
  let to = 0;
  for (const [i, row] of from.entries()) {
    data.set(values.subarray(offsets[row] * dim, (offsets[row] + lengths[i]) * dim), to);
    to += (length ?? lengths[i]) * dim;
  }
  return { type: 'float32', data, dims: length === undefined ? [vectors, dim] : [rows, length, dim] };
}

/** Offsets [rows + 1], or lengths [rows], of a sequence. */
function boundsTensor(
  { name, kind, type, length }: InputOf<'offsets' | 'lengths'>,
  rows: number,
  counts: RowCounts,
  { counts: own, offsets }: FeatureRows,
): Tensor {
  const most = length ?? Number.POSITIVE_INFINITY;
  const lengths = Array.from(rowsOf(own, counts), (row) => Math.min(most, offsets[row + 1] - offsets[row]));
  let end = 0;
  const bounds = kind === 'lengths' ? lengths : [0, ...lengths.map((count) => (end += count))];
  if (end > 2 ** 31 - 1 && type === 'int32') throw tooLarge(name, end);
  const data = type === 'int32' ? Int32Array.from(bounds) : BigInt64Array.from(bounds, BigInt);
  return { type, data, dims: [kind === 'lengths' ? rows : rows + 1] };
}

/** The row of an input for each row of a network. */
function rowsOf(own: RowCounts, counts: RowCounts): Uint32Array {
  const rows = new Uint32Array(counts.reduce((sum, count) => sum + count, 0));
  let [at, first] = [0, 0];
  for (const [request, count] of counts.entries()) {
    const step = own[request] === count ? 1 : 0;
    for (let i = 0; i < count; i++) rows[at++] = first + i * step;
    first += own[request];
  }
  return rows;
}

function copy(from: Float32Array, at: number, to: Float32Array, place: number, count: number): void {
  if (count > loopWordsMax) to.set(from.subarray(at, at + count), place);
  else for (let i = 0; i < count; i++) to[place + i] = from[at + i];
}

function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** @throws LIMIT_EXCEEDED */
function floats(name: string, count: number): Float32Array {
  if (count * 4 <= networkInputBytesMax) return new Float32Array(count);
  throw tooLarge(name, count * 4);
}

function tooLarge(name: string, value: number): FlexemrError {
  const message = `input ${name} of the network would have ${value} bytes for one batch, more than ${networkInputBytesMax}; send fewer candidates, or shorter sequences`;
  return new FlexemrError('LIMIT_EXCEEDED', message, { field: name, value });
}

/** The values of an output for each candidate, f32 [candidates, width]. */
export function perCandidate(
  { counts, outputs }: NetworkRows,
  output: string,
  width: number,
  { requests }: ScoreBatch,
): Float32Array {
  const candidates = requests.map((request) => request.candidates);
  const values = outputs[output].data as Float32Array;
  const part = { dim: width, counts, values, vectors: undefined, offsets: none };
  const rows = candidates.reduce((sum, count) => sum + count, 0);
  return stacked({ name: output, dims: [width] }, rows, candidates, [part]).data as Float32Array;
}
