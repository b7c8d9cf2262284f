import * as v from 'valibot';
import { check, filePath, integer, typedArray } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { anyDim } from '../kernel/schemas.ts';
import { bagsMax } from '../limits.ts';

const floats = typedArray<Float32Array>('Float32Array');
/** The number of requests has the same limit as the number of bags in a lookup. */
const count = integer(0, bagsMax);

/** The part of the ONNX Runtime API that is used here. Both packages offer it. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: object): Promise<OnnxSession>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
}
interface OnnxSession {
  readonly inputNames: readonly string[];
  /** Newer versions only. */
  readonly inputMetadata?: readonly { readonly name: string; readonly shape?: readonly unknown[] }[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
}
interface OnnxTensor {
  readonly data: unknown;
}

/** The faster package comes first. */
const packages = ['onnxruntime-node', 'onnxruntime-web'] as const;

/** The dense network of a DLRM. It takes dense features and pooled embeddings, and gives one logit per request. */
export class DenseNetwork {
  readonly #runtime: OnnxRuntime;
  readonly #session: OnnxSession;
  /** The package that runs it. */
  readonly runtime: string;

  private constructor(name: string, runtime: OnnxRuntime, session: OnnxSession) {
    this.runtime = name;
    this.#runtime = runtime;
    this.#session = session;
  }

  /**
   * Opens an ONNX file with inputs `dense`, `pooled` and output `logit`.
   * @throws MISSING_DEPENDENCY, INVALID_FILE, INVALID_OPTION
   */
  static async open(path: string): Promise<DenseNetwork> {
    check(filePath, path, 'path');
    const [name, runtime] = await loadRuntime();
    const session = await runtime.InferenceSession.create(path, {
      executionProviders: [name === 'onnxruntime-node' ? 'cpu' : 'wasm'],
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    }).catch((cause: unknown) => {
      const message = `cannot open ${path} as an ONNX model: ${String(cause).split('\n')[0]}`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: path, cause });
    });
    const names = [...session.inputNames, ...session.outputNames].sort().join(', ');
    if (names === 'dense, logit, pooled') return new DenseNetwork(name, runtime, session);
    const message = `${path}: inputs and outputs are ${names}, but must be inputs dense and pooled, and output logit`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: names });
  }

  /** Number of dense features, if the file says it and the runtime reports it. */
  get features(): number | undefined {
    const input = this.#session.inputMetadata?.find(({ name }) => name === 'dense');
    const features = input?.shape?.at(-1);
    return typeof features === 'number' && features > 0 ? features : undefined;
  }

  /**
   * @param dense f32 [requests, features] @param pooled f32 [requests, tables, dim]
   * @returns f32 [requests] @throws INVALID_FILE if the model takes other shapes; INVALID_OPTION
   */
  async logits(
    dense: Float32Array,
    pooled: Float32Array,
    requests: number,
    dim: number,
  ): Promise<Float32Array> {
    check(floats, dense, 'dense');
    check(floats, pooled, 'pooled');
    check(integer(1, bagsMax), requests, 'requests');
    check(anyDim, dim, 'dim');
    checkMultiple('dense', dense, requests, 'requests × features');
    checkMultiple('pooled', pooled, requests * dim, 'requests × tables × dim');
    const { Tensor } = this.#runtime;
    const feeds = {
      dense: new Tensor('float32', dense, [requests, dense.length / requests]),
      pooled: new Tensor('float32', pooled, [requests, pooled.length / requests / dim, dim]),
    };
    const { logit } = await this.#session.run(feeds).catch((cause: unknown) => {
      const message = `the dense network does not accept these shapes: ${String(cause).split('\n')[0]}`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', cause });
    });
    return logit.data as Float32Array;
  }
}

function checkMultiple(field: string, values: Float32Array, unit: number, wanted: string): void {
  if (values.length % unit === 0) return;
  const message = `${field}: expected ${wanted} values, not ${values.length}`;
  throw new FlexemrError('INVALID_OPTION', message, { field, value: values.length });
}

async function loadRuntime(): Promise<[(typeof packages)[number], OnnxRuntime]> {
  for (const name of packages) {
    try {
      const runtime = await import(name);
      if (name === 'onnxruntime-web') runtime.env.wasm.numThreads = 1;
      return [name, runtime];
    } catch {
      // This package is not installed, or does not run on this machine. Try the next one.
    }
  }
  const message = `scoring needs ONNX Runtime: npm install ${packages[1]} (portable), or ${packages[0]} (faster)`;
  throw new FlexemrError('MISSING_DEPENDENCY', message, { field: packages[1] });
}

/** Probabilities of logits, as f32. @throws INVALID_OPTION */
export function sigmoid(logits: Float32Array): Float32Array {
  check(floats, logits, 'logits');
  return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
}

/** Stacks one f32 [requests, dim] per table into f32 [requests, tables, dim]. @throws INVALID_OPTION */
export function stackPooled(tables: readonly Float32Array[], requests: number, dim: number): Float32Array {
  check(count, requests, 'requests');
  check(anyDim, dim, 'dim');
  const values = requests * dim;
  const holds = (value: Float32Array): boolean => value.length === values;
  check(v.array(v.pipe(floats, v.check(holds, `a Float32Array of ${values} values`))), tables, 'tables');
  const all = new Float32Array(requests * tables.length * dim);
  tables.forEach((values, table) => {
    for (let request = 0; request < requests; request++) {
      const vector = values.subarray(request * dim, (request + 1) * dim);
      all.set(vector, (request * tables.length + table) * dim);
    }
  });
  return all;
}
