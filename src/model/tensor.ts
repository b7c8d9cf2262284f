/** The values that networks take and give, in row-major order. */
export interface Tensor {
  readonly type: 'float32' | 'int32' | 'int64';
  readonly data: Float32Array | Int32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** Tensors by the names that a network has for them. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** What a file says about an input or an output of its network. */
export interface TensorInfo {
  readonly name: string;
  /** `float32`, `int64` … */
  readonly type: string;
  /** One size per dimension; undefined if it depends on the batch. Undefined if the runtime does not report shapes. */
  readonly dims: readonly (number | undefined)[] | undefined;
}

/** What a file says about its network. */
export interface NetworkInfo {
  readonly file: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** `float32 [b, 13, 32]` */
export function shapeText({ type, dims }: Pick<TensorInfo, 'type' | 'dims'>): string {
  return `${type} [${dims === undefined ? '…' : dims.map((size, i) => size ?? (i === 0 ? 'b' : '?')).join(', ')}]`;
}
