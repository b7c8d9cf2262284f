// A client of the Open Inference Protocol (KServe, version 2), written from its specification:
// https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, and its binary tensor extension.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tensor } from './example.ts';

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

interface ModelMetadata {
  readonly name: string;
  readonly versions?: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

interface ReplyTensor extends TensorMetadata {
  readonly parameters?: { readonly binary_data_size?: number };
  readonly data?: unknown;
}

interface Reply {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly outputs: readonly ReplyTensor[];
}

/** Shorter than servers ask for, which would make a test slow. */
const retryMs = 50;
const attemptsMax = 200;

const lengthHeader = 'Inference-Header-Content-Length';
const bytesOf: Readonly<Record<string, number>> = { UINT32: 4, INT64: 8, FP32: 4, FP64: 8 };

export class KServeClient {
  readonly metadata: ModelMetadata;
  readonly #url: string;
  #requests = 0;

  /** Asks what server and model are there, as clients do first. */
  static async open(url: string, model: string): Promise<KServeClient> {
    const server = await get(`${url}/v2`);
    must(typeof server.name === 'string' && typeof server.version === 'string', 'the server has no name');
    must(Array.isArray(server.extensions), 'the server lists no extensions');
    must(server.extensions.includes('binary_tensor_data'), 'the server has no binary tensors');
    must((await get(`${url}/v2/health/live`)).live === true, 'the server is not alive');
    must((await get(`${url}/v2/health/ready`)).ready === true, 'the server is not ready');
    const ready = await get(`${url}/v2/models/${model}/ready`);
    must(ready.name === model && ready.ready === true, 'the model is not ready');
    const metadata = (await get(`${url}/v2/models/${model}`)) as unknown as ModelMetadata;
    must(metadata.name === model, `the model is ${metadata.name}`);
    must(metadata.inputs.length > 0 && metadata.outputs.length > 0, 'the model has no tensors');
    return new KServeClient(url, metadata);
  }

  private constructor(url: string, metadata: ModelMetadata) {
    this.#url = url;
    this.metadata = metadata;
  }

  /**
   * Tries again as long as the server is busy, as clients should.
   * @returns outputs by name. @param binary whether tensors are binary, in both directions
   */
  async infer(inputs: readonly Tensor[], binary: boolean): Promise<ReadonlyMap<string, Float64Array>> {
    for (let attempt = 1; ; attempt++) {
      const outputs = await this.#infer(inputs, binary);
      if (outputs !== undefined) return outputs;
      must(attempt < attemptsMax, `the server is busy, even the ${attempt}th time`);
      await sleep(retryMs);
    }
  }

  /** @returns undefined if the server is busy */
  async #infer(
    inputs: readonly Tensor[],
    binary: boolean,
  ): Promise<ReadonlyMap<string, Float64Array> | undefined> {
    const { name, versions = [] } = this.metadata;
    const id = `request ${++this.#requests}`;
    const version = this.#requests % 2 === 0 ? `/versions/${versions[0]}` : '';
    const parameters = binary ? { binary_data_output: true } : undefined;
    const head = JSON.stringify({ id, parameters, inputs: inputs.map((input) => written(input, binary)) });
    const bytes = new TextEncoder().encode(head);
    const body = binary ? await joined([bytes, ...inputs.map(({ data }) => viewed(data))]) : bytes;
    const headers: Record<string, string> = binary
      ? { 'Content-Type': 'application/octet-stream', [lengthHeader]: String(bytes.length) }
      : { 'Content-Type': 'application/json' };
    const response = await fetch(`${this.#url}/v2/models/${name}${version}/infer`, {
      ...{ method: 'POST', headers, body: body as BodyInit },
    });
    const got = new Uint8Array(await response.arrayBuffer());
    if (response.status === 429) {
      must(Number(response.headers.get('retry-after')) > 0, 'the server does not say when to try again');
      return undefined;
    }
    must(response.status === 200, `HTTP ${response.status}: ${new TextDecoder().decode(got)}`);
    const length = response.headers.get(lengthHeader);
    must((length !== null) === binary, `the header ${lengthHeader} is ${length}`);
    const jsonBytes = binary ? Number(length) : got.length;
    const reply = JSON.parse(new TextDecoder().decode(got.subarray(0, jsonBytes))) as Reply;
    must(reply.model_name === name, `the model is ${reply.model_name}`);
    must(reply.model_version === undefined || versions.includes(reply.model_version), 'another version');
    must(reply.id === id, `the id is ${reply.id}`);
    return this.#outputs(reply, got.subarray(jsonBytes));
  }

  #outputs({ outputs }: Reply, bytes: Uint8Array): Map<string, Float64Array> {
    let at = 0;
    const read = outputs.map((output) => {
      const known = this.metadata.outputs.find(({ name }) => name === output.name);
      must(known !== undefined, `the model has no output ${output.name}`);
      must(known.datatype === output.datatype, `${output.name} is ${output.datatype}`);
      const fits = known.shape.every((size, i) => size === -1 || size === output.shape[i]);
      must(known.shape.length === output.shape.length && fits, `${output.name} is [${output.shape}]`);
      const size = output.parameters?.binary_data_size;
      must((size === undefined) !== (output.data === undefined), `${output.name} has no data, or twice`);
      const values = size === undefined ? flat(output.data) : decoded(output, bytes.subarray(at, at + size));
      at += size ?? 0;
      const count = output.shape.reduce((product, each) => product * each, 1);
      must(values.length === count, `${output.name} has ${values.length} values and not ${count}`);
      return [output.name, values] as const;
    });
    must(at === bytes.length, `${bytes.length - at} bytes belong to no output`);
    return new Map(read);
  }
}

/** The JSON of an input. */
function written({ name, datatype, shape, data }: Tensor, binary: boolean): object {
  if (binary) return { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
  return { name, datatype, shape, data: Array.from(data as ArrayLike<number | bigint>, Number) };
}

function decoded({ name, datatype }: ReplyTensor, bytes: Uint8Array): Float64Array {
  const size = bytesOf[datatype];
  must(size !== undefined && bytes.length % size === 0, `${name} has ${bytes.length} bytes of ${datatype}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: bytes.length / size }, (_, i) =>
    datatype === 'FP32' ? view.getFloat32(i * size, true) : view.getUint32(i * size, true),
  );
}

/** Data in JSON may be nested. */
function flat(data: unknown): Float64Array {
  return Float64Array.from((data as number[][]).flat(Number.POSITIVE_INFINITY) as number[]);
}

function viewed({ buffer, byteOffset, byteLength }: Tensor['data']): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function joined(parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

async function get(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url);
  must(response.status === 200, `${url}: HTTP ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
