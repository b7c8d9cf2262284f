// The requests of the example, as tensors of the Open Inference Protocol and as calls of /v1/rank.
import { boundsOf, type Requests, readRequests } from '../../examples/movielens/requests.ts';
import { type Bags, SafetensorsFile } from '../../src/index.ts';
import { requestsFile, tablesFile } from '../80.cli/command.ts';
import { withFile } from '../80.cli/request-files.ts';

/** A tensor by name. Its data are flat. */
export interface Tensor {
  readonly name: string;
  readonly datatype: 'INT64' | 'FP32';
  readonly shape: readonly number[];
  readonly data: BigInt64Array | Float32Array;
}

const width = 10;

/** All requests of the example, each of which is one candidate. */
export class Example {
  /** What PyTorch computed for them. */
  readonly probs: Float32Array;
  readonly #requests: Requests;

  static async open(): Promise<Example> {
    await using tables = await SafetensorsFile.open(tablesFile);
    const names = JSON.parse(tables.metadata.tables).map(({ name }: { name: string }) => name);
    return await withFile(requestsFile, async (file) => {
      return new Example(await readRequests(file, names), await file.read('expected_prob', 'F32'));
    });
  }

  private constructor(requests: Requests, probs: Float32Array) {
    this.#requests = requests;
    this.probs = probs;
  }

  get features(): string[] {
    return Object.keys(this.#requests.bags);
  }

  /** Requests [begin, end) as the candidates of one. */
  tensors(begin: number, end: number): Tensor[] {
    const dense = this.#requests.dense.slice(begin * width, end * width);
    return [
      ...Object.entries(this.#requests.bags).flatMap(([name, bags]) => bagTensors(name, bags, begin, end)),
      { name: 'dense', datatype: 'FP32', shape: [end - begin, width], data: dense },
    ];
  }

  /** The same for `/v1/rank`, with everything said for each candidate. */
  call(begin: number, end: number): object {
    const candidates = Array.from({ length: end - begin }, (_, i) => this.#candidate(begin + i));
    return { candidates };
  }

  #candidate(at: number): object {
    const { bags, dense } = this.#requests;
    const all = Object.entries(bags).map(([name, own]) => {
      const [begin, end] = boundsOf(own).slice(at, at + 2);
      const keys = Array.from(own.keys, Number).slice(begin, end);
      return [name, own.weights ? { keys, weights: [...own.weights.slice(begin, end)] } : keys] as const;
    });
    return { ...Object.fromEntries(all), dense: [...dense.slice(at * width, (at + 1) * width)] };
  }
}

function bagTensors(name: string, bags: Bags, begin: number, end: number): Tensor[] {
  const bounds = boundsOf(bags).slice(begin, end + 1);
  const [first, last] = [bounds[0], bounds[bounds.length - 1]];
  const values = BigInt64Array.from([...bags.keys].slice(first, last), BigInt);
  const offsets = BigInt64Array.from(bounds, (bound) => BigInt(bound - first));
  const weights = bags.weights && Float32Array.from(bags.weights.slice(first, last));
  const part = (of: string, data: Tensor['data']): Tensor => {
    const datatype = data instanceof Float32Array ? 'FP32' : 'INT64';
    return { name: `${name}__${of}`, datatype, shape: [data.length], data };
  };
  return [
    part('values', values),
    part('offsets', offsets),
    ...(weights === undefined ? [] : [part('weights', weights)]),
  ];
}

/** The form of a tensor in JSON. */
export function jsonTensor({ data, ...tensor }: Tensor): object {
  return { ...tensor, data: Array.from(data as ArrayLike<number | bigint>, Number) };
}

/** The form of a tensor whose bytes follow the JSON. */
export function binaryTensor({ data, ...tensor }: Tensor): object {
  return { ...tensor, parameters: { binary_data_size: data.byteLength } };
}

/** The largest difference of two lists of the same length. */
export function largestDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Array.from(got).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}
