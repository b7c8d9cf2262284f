// What the Open Inference Protocol says of a server and of a model.
import type { ModelSignature } from '../model/model.ts';

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** −1: any size. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export function serverMetadata(version: string): object {
  return { name: 'flexemr', version, extensions: ['binary_tensor_data', 'parameters'] };
}

/** Inputs in the form that every model takes: a feature as values and offsets. */
export function modelMetadata({ name, version, features, dense, outputs }: ModelSignature): ModelMetadata {
  return {
    name,
    versions: [version],
    platform: 'flexemr',
    inputs: [
      ...features.flatMap((feature) => [
        { name: `${feature.name}__values`, datatype: 'INT64', shape: [-1] },
        { name: `${feature.name}__offsets`, datatype: 'INT64', shape: [-1] },
      ]),
      ...dense.map((input) => ({ name: input.name, datatype: 'FP32', shape: [-1, input.width] })),
    ],
    outputs: outputs.map((output) => ({
      name: output.name,
      datatype: 'FP32',
      shape: output.width === 1 ? [-1] : [-1, output.width],
    })),
  };
}
