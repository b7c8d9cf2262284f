// Runs a network of an ONNX file by ONNX Runtime, which is an optional package.
import { FlexemrError } from '../errors.ts';
import { u32Max } from '../limits.ts';
import type { NetworkInfo, Tensor, TensorInfo, Tensors } from './tensor.ts';

/** The part of the ONNX Runtime API that is used here. Both packages offer it. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: object): Promise<OnnxSession>;
  };
  readonly Tensor: new (type: Tensor['type'], data: Tensor['data'], dims: readonly number[]) => Tensor;
}
interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Newer versions only. */
  readonly inputMetadata?: readonly OnnxMetadata[];
  readonly outputMetadata?: readonly OnnxMetadata[];
  run(feeds: Tensors): Promise<Tensors>;
}
interface OnnxMetadata {
  readonly name: string;
  readonly type?: string;
  /** Sizes that depend on the batch are names. */
  readonly shape?: readonly unknown[];
}

/** The faster package comes first. */
const packages = ['onnxruntime-node', 'onnxruntime-web'] as const;

/** A network of an ONNX file. */
export class OnnxNetwork {
  /** The package that runs it. */
  readonly runtime: string;
  readonly info: NetworkInfo;
  readonly #runtime: OnnxRuntime;
  readonly #session: OnnxSession;

  /** @throws MISSING_DEPENDENCY, INVALID_FILE */
  static async open(file: string): Promise<OnnxNetwork> {
    const [name, runtime] = await loadRuntime();
    const session = await runtime.InferenceSession.create(file, {
      executionProviders: [name === 'onnxruntime-node' ? 'cpu' : 'wasm'],
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    }).catch((cause: unknown) => {
      const message = `cannot open ${file} as an ONNX model: ${String(cause).split('\n')[0]}`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: file, cause });
    });
    return new OnnxNetwork(file, name, runtime, session);
  }

  private constructor(file: string, name: string, runtime: OnnxRuntime, session: OnnxSession) {
    const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
    this.runtime = name;
    this.info = {
      file,
      inputs: inputNames.map((input) => infoOf(input, inputMetadata)),
      outputs: outputNames.map((output) => infoOf(output, outputMetadata)),
    };
    this.#runtime = runtime;
    this.#session = session;
  }

  /** @throws INVALID_FILE if the network does not accept the shapes of its inputs */
  async run(inputs: Tensors): Promise<Tensors> {
    const feeds: Record<string, Tensor> = {};
    for (const [name, { type, data, dims }] of Object.entries(inputs))
      feeds[name] = new this.#runtime.Tensor(type, data, dims);
    const outputs = await this.#session.run(feeds).catch((cause: unknown) => {
      const { file } = this.info;
      const message = `${file} does not accept its inputs: ${String(cause).split('\n')[0]}`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: file, cause });
    });
    const copied = Object.entries(outputs).map(([name, { type, data, dims }]) => {
      // The runtime uses the memory of its results again.
      return [name, { type, data: data.slice(), dims }] as const;
    });
    return Object.fromEntries(copied);
  }
}

function infoOf(name: string, metadata: readonly OnnxMetadata[] | undefined): TensorInfo {
  const known = metadata?.find((one) => one.name === name);
  // An unknown size is a name, −1 or 2^32 − 1. An unknown number of dimensions is reported as none.
  const dims = known?.shape?.map((size) =>
    typeof size === 'number' && size >= 0 && size < u32Max ? size : undefined,
  );
  return { name, type: known?.type ?? 'float32', dims: dims?.length === 0 ? undefined : dims };
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
